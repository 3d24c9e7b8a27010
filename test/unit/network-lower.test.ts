import { describe, expect, it } from 'vitest'
import { GraphBuilder } from '../../core/architectures/builder.ts'
import { resnet } from '../../core/architectures/resnet.ts'
import { wideResNet } from '../../core/architectures/wide-resnet.ts'
import { AdytonError } from '../../core/errors/errors.ts'
import { chooseTiling } from '../../core/he/tiling.ts'
import { heParameters, roundingFailure } from '../../core/he/parameters.ts'
import { runFloat } from '../../core/network/float.ts'
import { dequantise, runFixed } from '../../core/network/fixed.ts'
import type { Graph, Tensor, Tensors } from '../../core/network/graph.ts'
import type { LowerOptions } from '../../core/network/lower/options.ts'
import { lower } from '../../core/network/lower/lower.ts'
import { checkPlan } from '../../core/network/plan-check.ts'
import type { LoweredModel, Step } from '../../core/network/plan.ts'
import { normals, randomMasks, randomTensors } from '../../core/network/tensors.ts'
import { errorBound, planner, prg } from './network-helpers.ts'

/** Worst-case bounds multiply from layer to layer, so comparisons with the float run take fine numbers. */
const FINE: LowerOptions = { activationBits: 20, weightBits: 20 }

function images(graph: Graph, count: number, seed = 7): Float32Array[] {
  const [node] = graph.nodes
  const length = node.op === 'input' ? node.shape.reduce((a, b) => a * b, 1) : 0
  return Array.from({ length: count }, (_, i) => normals(prg(seed + i), length))
}

function lowered(graph: Graph, tensors: Tensors, options: LowerOptions = {}): LoweredModel {
  const model = lower(graph, tensors, images(graph, 3), planner, options)
  checkPlan(model.plan)
  return model
}

function stepsOf<T extends Step['op']>(model: LoweredModel, op: T): Extract<Step, { readonly op: T }>[] {
  return model.plan.steps.filter((step): step is Extract<Step, { readonly op: T }> => step.op === op)
}

/** Fixed logits within the derived bound of the float ones, and the bound itself worth something. */
function expectClose(graph: Graph, tensors: Tensors, model: LoweredModel): void {
  const [image] = images(graph, 1)
  const { logits } = runFloat(graph, tensors, image)
  const { logits: integers, values } = runFixed(model, image, { values: true })
  const largest = (values ?? []).map((x) => x.reduce((a, b) => Math.max(a, Math.abs(b)), 0))
  const bound = errorBound(model, largest)
  const { input } = stepsOf(model, 'reveal')[0]
  const got = dequantise(model.plan.values[input], integers)
  const range = logits.reduce((a, b) => Math.max(a, Math.abs(b)), 0)
  expect(bound).toBeLessThan(range)
  logits.forEach((x, i) => expect(Math.abs(got[i] - x)).toBeLessThan(bound))
}

function refusal(work: () => unknown): AdytonError {
  try {
    work()
  } catch (error) {
    if (error instanceof AdytonError) return error
    throw error
  }
  throw new Error('nothing was refused')
}

const smallResnet = resnet({ name: 'small', classes: 5, inputShape: [3, 8, 8], channels: [3, 4], blocks: [1, 1] })

describe('lowering a residual network', () => {
  it('folds batch norms, keeps ReLUs as activations and pools locally', () => {
    const model = lowered(smallResnet, randomTensors(smallResnet, prg(1)), FINE)
    const convs = smallResnet.nodes.filter((node) => node.op === 'conv2d').map((node) => node.id)
    expect(stepsOf(model, 'linear').map((step) => step.id)).toEqual([...convs, 'fc'])
    expect(stepsOf(model, 'activation').map((step) => step.id)).toEqual(
      smallResnet.nodes.filter((node) => node.op === 'relu').map((node) => node.id),
    )
    expect(stepsOf(model, 'sumPool')).toHaveLength(1)
    // 4 x 4 = 2^4 positions: four bits of scale and no divisor.
    const [pool] = stepsOf(model, 'sumPool')
    expect(model.plan.values[pool.output].scale - model.plan.values[pool.input].scale).toBe(4)
    expect(model.plan.values[pool.output].divisor).toBe(1)
    expectClose(smallResnet, randomTensors(smallResnet, prg(1)), model)
  })

  it('needs one narrow ring when every ReLU is kept', () => {
    const { plan } = lowered(smallResnet, randomTensors(smallResnet, prg(1)))
    expect(new Set(plan.values.map((value) => value.bits)).size).toBe(1)
    expect(plan.values[0].bits).toBeLessThan(32)
    expect(plan.failure.truncation).toBe(0)
    expect(plan.failure.total).toBeGreaterThan(0)
    for (const step of plan.steps) {
      if (step.op !== 'activation') continue
      expect(step.circuitBits).toBeLessThanOrEqual(plan.values[step.input].bits)
      expect(step.shift).toBeGreaterThan(0)
    }
  })

  it('takes the wide ring for masks, and states a failure bound that its own numbers give', () => {
    const weights = randomTensors(smallResnet, prg(1))
    const { graph, masks } = randomMasks(smallResnet, 0.3, prg(2))
    const tensors = new Map<string, Tensor>([...weights, ...masks])
    const model = lowered(graph, tensors, { failureMargin: 1 })
    const { plan } = model
    expect(plan.failure.total).toBeLessThanOrEqual(2 ** -20)
    expect(plan.failure.total).toBe(plan.failure.truncation + plan.failure.rounding)
    // The largest sum over the calibration images of |x| / 2^k at linearised positions, from the fixed run.
    const sums = images(graph, 3).map((image) => {
      const { values } = runFixed(model, image, { values: true })
      return stepsOf(model, 'activation').map((step) => {
        const kept = new Set(step.kept === 'all' ? [] : step.kept)
        const x = values?.[step.input] ?? new Float64Array(0)
        return x.reduce((sum, v, i) => (kept.has(i) ? sum : sum + Math.abs(v)), 0) / 2 ** plan.values[step.input].bits
      })
    })
    const expected = sums[0].map((_, i) => Math.max(...sums.map((s) => s[i]))).reduce((a, b) => a + b, 0)
    // Rounded up by at most 2^(1/16) = 1.044, so that the public plan tells little of the weights.
    expect(plan.failure.truncation / expected).toBeGreaterThan(0.99)
    expect(plan.failure.truncation / expected).toBeLessThan(1.06)
    expect(16 * Math.log2(plan.failure.truncation)).toBeCloseTo(Math.round(16 * Math.log2(plan.failure.truncation)), 9)
    // One bit less would not do: the ring is no wider than it must be.
    expect(2 * plan.failure.truncation + plan.failure.rounding).toBeGreaterThan(2 ** -20)
  })

  it('keeps exactly the masked positions', () => {
    const { graph, masks } = randomMasks(smallResnet, 0.3, prg(2))
    const tensors = new Map<string, Tensor>([...randomTensors(smallResnet, prg(1)), ...masks])
    for (const step of stepsOf(lowered(graph, tensors), 'activation')) {
      const mask = masks.get(`${step.id}.mask`)?.data ?? new Uint8Array(0)
      const expected = [...mask.keys()].filter((i) => mask[i] === 1)
      expect([...(step.kept === 'all' ? [] : step.kept)]).toEqual(expected)
    }
  })

  it('drops ReLUs that keep nothing and re-shares where two linear layers then meet', () => {
    const graph: Graph = {
      ...smallResnet,
      nodes: smallResnet.nodes.map((node) => (node.op === 'relu' ? { ...node, mask: 'channel' as const } : node)),
    }
    const tensors = randomTensors(graph, prg(1))
    const silent = tensors.get('stage1.0.a.relu.mask') as Tensor
    tensors.set('stage1.0.a.relu.mask', { shape: silent.shape, data: new Uint8Array(silent.data.length) })
    const model = lowered(graph, tensors, { activationBits: 14, weightBits: 14 })
    const ids = stepsOf(model, 'activation').map((step) => step.id)
    expect(ids).toContain('stage1.0.a.conv.rescale')
    expect(ids).not.toContain('stage1.0.a.relu')
  })
})

describe('lowering pre-activation networks', () => {
  const graph = wideResNet({ name: 'wide', classes: 4, inputShape: [3, 8, 8], depth: 10, widen: 1 })

  it('runs a batch norm after an add as a depthwise layer on a re-shared value', () => {
    const model = lowered(graph, randomTensors(graph, prg(3)))
    const norm = stepsOf(model, 'linear').find((step) => step.id === 'final.bn')
    expect(norm?.geometry).toMatchObject({ groups: 64, inChannels: 64, outChannels: 64, kernelHeight: 1 })
    const rescale = stepsOf(model, 'activation').find((step) => step.output === norm?.input)
    expect(rescale).toMatchObject({ id: 'stage3.0.add.rescale', kept: new Uint32Array(0), shift: 0 })
    // Exact re-sharing throughout: no local truncation anywhere, so nothing of that kind can fail.
    expect(model.plan.failure.truncation).toBe(0)
  })

  it('truncates there when masks need the wide ring anyway', () => {
    const { graph: masked, masks } = randomMasks(graph, 0.5, prg(4))
    const tensors = new Map<string, Tensor>([...randomTensors(graph, prg(3)), ...masks])
    const model = lowered(masked, tensors)
    const rescales = stepsOf(model, 'activation').filter((step) => step.id.endsWith('.rescale'))
    expect(rescales.length).toBeGreaterThan(0)
    for (const step of rescales) expect(step.shift).toBeGreaterThan(0)
  })

  it.each(['exact', 'truncate'] as const)('stays within the derived bound (%s)', (rescale) => {
    const b = new GraphBuilder([1, 4, 4])
    const x = b.conv('stem', 'image', 2)
    const y = b.conv('c', b.relu('r1', b.batchNorm('bn1', x)), 2)
    const z = b.relu('r2', b.batchNorm('bn2', b.add('sum', y, x)))
    b.dense('fc', b.flatten('flatten', z), 3)
    const short = b.build('pre-activation')
    const tensors = randomTensors(short, prg(5))
    const model = lowered(short, tensors, { activationBits: 13, weightBits: 11, rescale })
    const shifts = stepsOf(model, 'activation').flatMap((step) =>
      step.id.endsWith('.rescale') ? [step.shift > 0] : [],
    )
    expect(shifts).toEqual([rescale === 'truncate', rescale === 'truncate'])
    expectClose(short, tensors, model)
  })
})

describe('two rings', () => {
  /** Masked early, every ReLU kept late, and large enough for a narrow ring to pay for its SEAL context. */
  const b = new GraphBuilder([1, 24, 24])
  const first = b.conv('b', b.conv('a', 'image', 4), 16)
  const second = b.relu('r2', b.conv('c', b.relu('r1', first), 16))
  b.head(b.relu('r3', b.conv('d', second, 16)), 3)
  const plain = b.build('two rings')
  const graph: Graph = {
    ...plain,
    nodes: plain.nodes.map((node) => (node.id === 'r1' && node.op === 'relu' ? { ...node, mask: 'channel' } : node)),
  }
  const tensors = randomTensors(graph, prg(11))
  tensors.set('r1.mask', { shape: [16], data: Uint8Array.from({ length: 16 }, (_, c) => c % 2) })
  const model = lowered(graph, tensors, { activationBits: 7, weightBits: 6, rescale: 'exact' })
  const { plan } = model
  const bitsOf = (id: string): number => {
    const step = plan.steps.find((s) => s.id === id)
    return step === undefined || step.op === 'reveal' ? 0 : plan.values[step.output].bits
  }

  it('are wide up to the local truncation, through exact re-sharing, and narrow after it', () => {
    const wide = plan.values[0].bits
    expect(['a', 'a.rescale', 'b'].map(bitsOf)).toEqual([wide, wide, wide])
    const narrow = bitsOf('r1')
    expect(narrow).toBeLessThan(wide - 8)
    expect(['c', 'r2', 'd', 'r3', 'fc'].map(bitsOf)).toEqual([narrow, narrow, narrow, narrow, narrow])
    expect(plan.he.map((he) => he.plainBits)).toEqual([narrow, wide])
  })

  it('a plan that grows a ring by exact re-sharing is refused', () => {
    const rescale = plan.steps.find((step) => step.id === 'a.rescale')
    const values = plan.values.map((value, i) =>
      rescale?.op === 'activation' && i === rescale.input ? { ...value, bits: bitsOf('c') } : value,
    )
    const error = refusal(() => {
      checkPlan({ ...plan, values })
    })
    expect(error).toMatchObject({ code: 'plan-invalid' })
    expect(error.message).toMatch(/'a\.rescale'.*ring/)
  })

  it('a network that is too small for two contexts takes one', () => {
    const { graph: masked, masks } = randomMasks(smallResnet, 0.3, prg(2))
    const small = lowered(masked, new Map<string, Tensor>([...randomTensors(smallResnet, prg(1)), ...masks]))
    expect(small.plan.he).toHaveLength(1)
  })
})

describe('integer weights', () => {
  it('use the bits they have, whatever division they absorb', () => {
    const b = new GraphBuilder([2, 6, 6])
    b.dense('fc', b.flatten('flatten', b.averagePool('p', b.relu('r', b.convNorm('c', 'image', 4)), 3)), 3)
    const graph = b.build('pooled')
    const { secret } = lowered(graph, randomTensors(graph, prg(6)))
    for (const weights of secret.weights.values()) {
      const max = weights.reduce((a, w) => Math.max(a, Math.abs(w)), 0)
      expect(max).toBeLessThan(2 ** 10)
      expect(max).toBeGreaterThanOrEqual(2 ** 9 - 1)
    }
  })
})

describe('pooling', () => {
  function pooled(kernel: number, build: (b: GraphBuilder, x: string) => string): Graph {
    const b = new GraphBuilder([2, 6, 6])
    const x = b.relu('r', b.convNorm('c', 'image', 4))
    const y = build(b, b.averagePool('p', x, kernel))
    b.dense('fc', b.flatten('flatten', y), 3)
    return b.build('pooled')
  }

  it('folds a window that is no power of two into the next weights', () => {
    const graph = pooled(3, (_, x) => x)
    const tensors = randomTensors(graph, prg(6))
    const model = lowered(graph, tensors, FINE)
    const [pool] = stepsOf(model, 'sumPool')
    expect(model.plan.values[pool.output].divisor).toBe(9)
    expect(model.plan.values[pool.output].scale).toBe(model.plan.values[pool.input].scale)
    expect(model.plan.values.at(-1)?.divisor).toBe(1)
    expectClose(graph, tensors, model)
  })

  it('splits 6 x 6 into a scale of 2 bits and a divisor of 9, through a ReLU', () => {
    const graph = pooled(6, (b, x) => b.relu('r2', x))
    const tensors = randomTensors(graph, prg(6))
    const model = lowered(graph, tensors, FINE)
    const [pool] = stepsOf(model, 'sumPool')
    expect(model.plan.values[pool.output].divisor).toBe(9)
    expect(model.plan.values[pool.output].scale - model.plan.values[pool.input].scale).toBe(2)
    expectClose(graph, tensors, model)
  })

  it('refuses to join values that wait for different divisions, naming the layer', () => {
    const graph = pooled(3, (b, x) => {
      const other = b.conv('other', 'image', 4, { stride: 3, kernel: 3, padding: 0 })
      return b.add('sum', x, other)
    })
    const error = refusal(() => lowered(graph, randomTensors(graph, prg(6))))
    expect(error.code).toBe('model-invalid')
    expect(error.message).toMatch(/'sum'.*9 and 1/)
    expect(error.advice).toMatch(/power of two/)
  })

  it('fuses ReLU and max-pool, in either order, into one circuit', () => {
    for (const order of ['relu first', 'pool first']) {
      const b = new GraphBuilder([2, 6, 6])
      const x = b.convNorm('c', 'image', 4)
      const y = order === 'relu first' ? b.maxPool('p', b.relu('r', x), 2) : b.relu('r', b.maxPool('p', x, 2))
      b.dense('fc', b.flatten('flatten', y), 3)
      const graph = b.build('fused')
      const tensors = randomTensors(graph, prg(8))
      const model = lowered(graph, tensors, FINE)
      expect(stepsOf(model, 'activation')).toHaveLength(0)
      expect(stepsOf(model, 'maxPool')).toMatchObject([{ id: 'p', relu: true }])
      expectClose(graph, tensors, model)
    }
  })

  it('does not fuse a ReLU that something else reads, nor one with linearised positions', () => {
    const b = new GraphBuilder([2, 8, 8])
    const relu = b.relu('r', b.convNorm('c', 'image', 4))
    const side = b.maxPool('q', relu, 8)
    const sum = b.add('sum', b.globalAveragePool('g', b.maxPool('p', relu, 2)), side)
    b.dense('fc', b.flatten('flatten', sum), 3)
    const graph = b.build('shared')
    const model = lower(graph, randomTensors(graph, prg(8)), images(graph, 2), planner, FINE)
    expect(stepsOf(model, 'activation').map((step) => step.id)).toEqual(['r'])
    for (const step of stepsOf(model, 'maxPool')) expect(step.relu).toBe(false)
  })
})

describe('what the lowering cleans up', () => {
  it('removes nodes that the output does not need', () => {
    const b = new GraphBuilder([2, 4, 4])
    const x = b.relu('r', b.convNorm('c', 'image', 2))
    b.convNorm('dead', x, 7)
    b.dense('fc', b.flatten('flatten', x), 3)
    const graph = b.build('dead ends')
    expect(stepsOf(lowered(graph, randomTensors(graph, prg(9))), 'linear').map((s) => s.id)).toEqual(['c.conv', 'fc'])
  })

  it('does not fold a batch norm into a convolution that something else reads', () => {
    const b = new GraphBuilder([2, 4, 4])
    const conv = b.conv('c', 'image', 2)
    const sum = b.add('sum', b.relu('r1', b.batchNorm('bn', conv)), b.relu('r2', conv))
    b.dense('fc', b.flatten('flatten', sum), 3)
    const graph = b.build('shared conv')
    const tensors = randomTensors(graph, prg(9))
    const model = lowered(graph, tensors, { activationBits: 14, weightBits: 11 })
    expect(stepsOf(model, 'linear').map((step) => step.id)).toEqual(['c', 'bn', 'fc'])
    expectClose(graph, tensors, model)
  })

  it('ends with a label reveal on request', () => {
    const { plan } = lowered(smallResnet, randomTensors(smallResnet, prg(1)), { reveal: 'label' })
    const last = plan.steps.at(-1)
    expect(last).toMatchObject({ op: 'reveal', kind: 'label' })
    if (last?.op === 'reveal') expect(last.circuitBits).toBeLessThanOrEqual(plan.values[last.input].bits)
  })
})

describe('what does not fit is refused', () => {
  it('by width, naming the layer, what it needs and what to do', () => {
    const error = refusal(() =>
      lowered(smallResnet, randomTensors(smallResnet, prg(1)), {
        activationBits: 20,
        weightBits: 24,
        headroomBits: 16,
      }),
    )
    expect(error.code).toBe('model-overflow')
    expect(error.message).toMatch(/layer 'stem\.conv' needs 6\d bits/)
    expect(error.advice).toMatch(/Lower weightBits/)
  })

  it('by the failure bound, naming the layer that contributes most', () => {
    const { graph, masks } = randomMasks(smallResnet, 0.3, prg(2))
    const tensors = new Map<string, Tensor>([...randomTensors(smallResnet, prg(1)), ...masks])
    const error = refusal(() => lowered(graph, tensors, { activationBits: 16, weightBits: 18 }))
    expect(error.code).toBe('model-overflow')
    expect(error.message).toMatch(/layer '[\w.]+relu': local truncation .* 59 bits/)
  })

  it('by the rounding of HE answers', () => {
    const noisy = { ...planner, roundingFailure: () => 2 ** -25 }
    const error = refusal(() => lower(smallResnet, randomTensors(smallResnet, prg(1)), images(smallResnet, 1), noisy))
    expect(error.code).toBe('model-overflow')
    expect(error.message).toMatch(/rounding of HE answers/)
  })

  it('but default precision gives way before a default lowering is refused', () => {
    const { graph, masks } = randomMasks(smallResnet, 0.3, prg(2))
    const tensors = new Map<string, Tensor>([...randomTensors(smallResnet, prg(1)), ...masks])
    // A margin that costs the default precision its place in 59 bits.
    const margin = { failureMargin: 1024 }
    expect(refusal(() => lowered(graph, tensors, { ...margin, activationBits: 12, weightBits: 13 })).code).toBe(
      'model-overflow',
    )
    expect(lowered(graph, tensors, margin).plan.failure.total).toBeLessThanOrEqual(2 ** -20)
  })

  it('weights that are not finite, as an invalid model', () => {
    const tensors = randomTensors(smallResnet, prg(1))
    const weight = tensors.get('fc.weight') as Tensor
    weight.data[3] = NaN
    const error = refusal(() => lowered(smallResnet, tensors))
    expect(error.code).toBe('model-invalid')
    expect(error.message).toMatch(/'fc\.weight'/)
  })
})

describe('default precision', () => {
  /** Bits of the integers that the input's calibrated maximum takes. */
  const inputBits = ({ plan }: LoweredModel, graph: Graph): number => {
    const max = images(graph, 3).reduce((most, image) => image.reduce((a, b) => Math.max(a, Math.abs(b)), most), 0)
    return Math.ceil(Math.log2(max * 2 ** plan.values[0].scale))
  }
  const { graph: masked, masks } = randomMasks(smallResnet, 0.3, prg(2))
  const tensors = new Map<string, Tensor>([...randomTensors(smallResnet, prg(1)), ...masks])

  it('is two bits finer where ReLUs are partly linearised', () => {
    expect(inputBits(lowered(masked, tensors), masked)).toBe(12)
    expect(inputBits(lowered(smallResnet, randomTensors(smallResnet, prg(1))), smallResnet)).toBe(10)
  })

  it('is not worth a prime more', () => {
    const [three, four] = [heParameters(20), heParameters(59)]
    expect([three.primeBits.length, four.primeBits.length]).toEqual([3, 4])
    const { plan } = lowered(masked, tensors, { activationBits: 10, weightBits: 10 })
    const [{ plainBits: coarse }] = plan.he
    const until = (most: number) => ({
      ...planner,
      parameters: (plainBits: number) => ({ ...(plainBits <= most ? three : four), plainBits }),
    })
    const bits = (most: number) => inputBits(lower(masked, tensors, images(masked, 3), until(most)), masked)
    // Every bit of activations widens the ring by one.
    expect([bits(coarse + 2), bits(coarse + 1), bits(coarse)]).toEqual([12, 11, 10])
    // Nothing down to the precision of full networks saves a prime, and coarser ones are not asked.
    expect(bits(coarse - 1)).toBe(12)
  })
})

describe('with the HE layer of this program', () => {
  it('gets parameters, tilings and a bound', () => {
    const { graph, masks } = randomMasks(smallResnet, 0.3, prg(2))
    const tensors = new Map<string, Tensor>([...randomTensors(smallResnet, prg(1)), ...masks])
    const real = { parameters: heParameters, tiling: chooseTiling, roundingFailure }
    const { plan } = lower(graph, tensors, images(graph, 2), real)
    checkPlan(plan)
    expect(plan.failure.total).toBeLessThanOrEqual(2 ** -20)
    expect(plan.failure.rounding).toBeGreaterThan(0)
  })
})
