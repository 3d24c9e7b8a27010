import { describe, expect, it } from 'vitest'
import { GraphBuilder } from '../../core/architectures/builder.ts'
import { architecture } from '../../core/architectures/index.ts'
import { checkWeights, dequantise, fixedRunner, quantiseInput, runFixed } from '../../core/network/fixed.ts'
import { runFloat } from '../../core/network/float.ts'
import { lower } from '../../core/network/lower/lower.ts'
import type { LoweredModel, Plan, Value } from '../../core/network/plan.ts'
import { normals, randomMasks, randomTensors } from '../../core/network/tensors.ts'
import { convOutput } from '../../core/ring/geometry.ts'
import { planner, prg } from './network-helpers.ts'

function model(keep: number): LoweredModel {
  const net = architecture('lenet-tiny', { classes: 4, inputShape: [1, 12, 12] })
  const { graph, masks } = randomMasks(net, keep, prg(1))
  const tensors = new Map([...randomTensors(net, prg(2)), ...masks])
  const images = [3, 4].map((seed) => normals(prg(seed), 144))
  return lower(graph, tensors, images, planner, { activationBits: 9, weightBits: 9 })
}

/** floor(a / 2^s) of a signed integer is what an arithmetic shift gives. */
const shifted = (a: bigint, s: number): bigint => a >> BigInt(s)

/** The steps by their definition, in BigInt, one element at a time; shares no code with core/network/fixed.ts. */
function exact({ plan, secret }: LoweredModel, input: Float64Array): bigint[] {
  const values: bigint[][] = [Array.from(input, BigInt)]
  let revealed: bigint[] = []
  const window = (x: bigint[], v: Value, at: { c: number; y: number; z: number }, k: readonly [number, number]) => {
    const seen: bigint[] = []
    for (let i = 0; i < k[0]; i++)
      for (let j = 0; j < k[1]; j++) {
        const [y, z] = [at.y + i, at.z + j]
        if (y >= 0 && y < v.shape[1] && z >= 0 && z < v.shape[2]) seen.push(x[(at.c * v.shape[1] + y) * v.shape[2] + z])
      }
    return seen
  }
  for (const step of plan.steps) {
    if (step.op === 'reveal') {
      revealed = values[step.input]
      continue
    }
    const out: bigint[] = []
    const to = plan.values[step.output]
    if (step.op === 'linear') {
      const { geometry: g } = step
      const w = secret.weights.get(step.id) as Int32Array
      const b = secret.biases.get(step.id) as Float64Array
      const { height, width } = convOutput(g)
      const per = g.inChannels / g.groups
      for (let m = 0; m < g.outChannels; m++)
        for (let oy = 0; oy < height; oy++)
          for (let ox = 0; ox < width; ox++) {
            let sum = BigInt(b[m])
            for (let c = 0; c < per; c++)
              for (let i = 0; i < g.kernelHeight; i++)
                for (let j = 0; j < g.kernelWidth; j++) {
                  const channel = Math.floor((m * g.groups) / g.outChannels) * per + c
                  const y = oy * g.stride + i - g.padding
                  const z = ox * g.stride + j - g.padding
                  if (y < 0 || y >= g.inHeight || z < 0 || z >= g.inWidth) continue
                  const x = values[step.input][(channel * g.inHeight + y) * g.inWidth + z]
                  sum += x * BigInt(w[((m * per + c) * g.kernelHeight + i) * g.kernelWidth + j])
                }
            out.push(sum)
          }
    } else if (step.op === 'sumPool' || step.op === 'maxPool') {
      const from = plan.values[step.input]
      for (let c = 0; c < to.shape[0]; c++)
        for (let y = 0; y < to.shape[1]; y++)
          for (let z = 0; z < to.shape[2]; z++) {
            const at = { c, y: y * step.stride - step.padding, z: z * step.stride - step.padding }
            const seen = window(values[step.input], from, at, step.kernel)
            if (step.op === 'sumPool') out.push(seen.reduce((a, v) => a + v, 0n))
            else {
              const max = seen.reduce((a, v) => (v > a ? v : a))
              out.push(shifted(step.relu && max < 0n ? 0n : max, step.shift))
            }
          }
    } else if (step.op === 'activation') {
      const kept = step.kept === 'all' ? undefined : new Set(step.kept)
      const half = step.shift > 0 ? 1n << BigInt(step.shift - 1) : 0n
      values[step.input].forEach((x, i) => {
        if (kept === undefined || kept.has(i)) out.push(shifted(x > 0n ? x : 0n, step.shift))
        else out.push(shifted(x + half, step.shift))
      })
    } else if (step.op === 'reshape') out.push(...values[step.input])
    else throw new Error(`no ${step.op} in this network`)
    values[step.output] = out
  }
  return revealed
}

describe('fixed-point run', () => {
  it.each([0.4, 1])('computes the exact integers with a share of %f kept', (keep) => {
    const lowered = model(keep)
    for (const seed of [5, 6, 7]) {
      const input = quantiseInput(lowered.plan, normals(prg(seed), 144))
      const { logits, label } = fixedRunner(lowered)(input)
      const expected = exact(lowered, input)
      expect([...logits].map(BigInt)).toEqual(expected)
      expect(expected[label]).toBe(expected.reduce((a, b) => (b > a ? b : a)))
    }
  })

  it('returns every value on request, the revealed one among them', () => {
    const lowered = model(1)
    const { logits, values } = runFixed(lowered, normals(prg(5), 144), { values: true })
    expect(values).toHaveLength(lowered.plan.values.length)
    expect(values?.at(-1)).toEqual(logits)
    values?.forEach((value, i) => expect(value).toHaveLength(lowered.plan.values[i].length))
  })

  it('refuses an input far beyond the calibrated range, naming the step', () => {
    const lowered = model(1)
    const loud = normals(prg(5), 144).map((x) => 200 * x)
    expect(() => runFixed(lowered, loud)).toThrow(
      expect.objectContaining({
        code: 'model-overflow',
        message: expect.stringMatching(/step '[\w.]+': its (in|out)put/) as string,
      }),
    )
  })

  it('refuses weights beyond the declared width, and missing ones', () => {
    const { plan, secret } = model(1)
    const weights = new Map(secret.weights)
    const wrong = Int32Array.from(weights.get('fc') as Int32Array)
    wrong[2] = -(2 ** 9)
    weights.set('fc', wrong)
    expect(() => checkWeights(plan, { ...secret, weights })).toThrow(
      expect.objectContaining({ code: 'model-overflow', message: expect.stringContaining("'fc'") as string }),
    )
    weights.delete('fc')
    expect(() => checkWeights(plan, { ...secret, weights })).toThrow(expect.objectContaining({ code: 'model-invalid' }))
  })

  it('refuses sums that doubles might not hold', () => {
    const { plan, secret } = model(1)
    const wide: Plan = {
      ...plan,
      values: plan.values.map((value) => ({ ...value, bits: 59 })),
      steps: plan.steps.map((step) => (step.op === 'linear' ? { ...step, weightBits: 30 } : step)),
    }
    const weights = new Map([...secret.weights].map(([id, w]) => [id, w.map(() => 2 ** 30 - 1)]))
    const input = new Float64Array(144).fill(2 ** 30)
    expect(() => fixedRunner({ plan: wide, secret: { ...secret, weights } })(input)).toThrow(
      expect.objectContaining({ code: 'model-overflow', message: expect.stringContaining('53 bits') as string }),
    )
  })
})

describe('truncation', () => {
  /** Mean of (integer - real value in units of the last bit) over the first activation. */
  function bias(keep: number, pick: (kept: boolean) => boolean): number {
    const b = new GraphBuilder([1, 16, 16])
    b.head(b.relu('r', b.add('sum', b.convNorm('c', 'image', 8), b.convNorm('d', 'image', 8))), 2)
    const { graph, masks } = randomMasks(b.build('one layer'), keep, prg(1))
    const tensors = new Map([...randomTensors(graph, prg(2)), ...masks])
    const image = normals(prg(3), 256)
    // Coarse activations from fine weights: what is left is the rounding of the activation itself.
    const lowered = lower(graph, tensors, [image], planner, { activationBits: 8, weightBits: 20, failureMargin: 1 })
    const step = lowered.plan.steps.find((s) => s.op === 'activation')
    if (step?.op !== 'activation') throw new Error('no activation')
    // The image is rounded as well, to 8 bits: the float run gets the rounded one.
    const input = quantiseInput(lowered.plan, image)
    const rounded = Float32Array.from(dequantise(lowered.plan.values[0], input))
    const reals = runFloat(graph, tensors, rounded, { values: true }).values?.get('r') ?? new Float32Array(0)
    const integers = fixedRunner(lowered)(input, { values: true }).values?.[step.output] ?? new Float64Array(0)
    const kept = new Set(step.kept === 'all' ? integers.keys() : step.kept)
    const errors = [...integers.keys()]
      .filter((i) => reals[i] !== 0 && pick(kept.has(i)))
      .map((i) => integers[i] - reals[i] * 2 ** lowered.plan.values[step.output].scale)
    return errors.reduce((a, e) => a + e, 0) / errors.length
  }

  it('rounds kept positions to the nearest where most are kept: half a unit is in the bias before them', () => {
    expect(Math.abs(bias(1, (kept) => kept))).toBeLessThan(0.1)
  })

  it('is centred at linearised positions where most are linearised', () => {
    expect(Math.abs(bias(0.2, (kept) => !kept))).toBeLessThan(0.1)
  })
})

describe('quantisation', () => {
  it('rounds to the nearest step of the scale, and back', () => {
    const { plan } = model(1)
    const [value] = plan.values
    const image = new Float32Array(144).fill(0.6 / 2 ** value.scale)
    image[0] = -1.4 / 2 ** value.scale
    const integers = quantiseInput(plan, image)
    expect([...integers.subarray(0, 2)]).toEqual([-1, 1])
    expect(dequantise(value, integers)[1]).toBe(2 ** -value.scale)
    expect(dequantise({ ...value, divisor: 3 }, Float64Array.of(9))[0]).toBeCloseTo(3 / 2 ** value.scale, 12)
  })

  it('refuses images of another size or with values that are not finite', () => {
    const { plan } = model(1)
    expect(() => quantiseInput(plan, new Float32Array(143))).toThrow(RangeError)
    expect(() => quantiseInput(plan, new Float32Array(144).fill(NaN))).toThrow(RangeError)
  })
})
