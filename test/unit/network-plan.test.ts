import { createHash } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { architecture } from '../../core/architectures/index.ts'
import { AdytonError } from '../../core/errors/errors.ts'
import { lower } from '../../core/network/lower/lower.ts'
import { checkPlan } from '../../core/network/plan-check.ts'
import {
  decodePlan,
  encodePlan,
  planDigest,
  planFromJson,
  planToJson,
  type PlanJson,
} from '../../core/network/plan-json.ts'
import type { Plan } from '../../core/network/plan.ts'
import { normals, randomMasks, randomTensors } from '../../core/network/tensors.ts'
import { planner, prg } from './network-helpers.ts'

/** Every kind of local step is in one of these two. */
function tiny(keep = 0.5): Plan {
  const { graph, masks } = randomMasks(architecture('lenet-tiny', { classes: 4 }), keep, prg(1))
  const tensors = new Map([...randomTensors(graph, prg(2)), ...masks])
  return lower(graph, tensors, [normals(prg(3), 784)], planner).plan
}

function residual(): Plan {
  const graph = architecture('resnet20', { classes: 4, inputShape: [3, 8, 8] })
  return lower(graph, randomTensors(graph, prg(2)), [normals(prg(3), 192)], planner).plan
}

type Mutable<T> = T extends object ? { -readonly [K in keyof T]: Mutable<T[K]> } : T

/** JSON of a plan after a change. */
function changed(plan: Plan, change: (json: Mutable<PlanJson>) => void): PlanJson {
  const json: Mutable<PlanJson> = structuredClone(planToJson(plan))
  change(json)
  return json
}

function refusal(json: unknown): AdytonError {
  try {
    planFromJson(json)
  } catch (error) {
    if (error instanceof AdytonError) return error
    throw error
  }
  throw new Error('the plan was accepted')
}

describe('the public form of a plan', () => {
  it.each([
    ['masked', () => tiny()],
    ['with every ReLU', () => tiny(1)],
    ['residual', residual],
  ])('round-trips (%s)', (_, make) => {
    const plan = make()
    expect(decodePlan(encodePlan(plan))).toEqual(plan)
  })

  it('has one digest whatever the order of keys', () => {
    const plan = residual()
    const backwards = (x: unknown): unknown =>
      Array.isArray(x) || x instanceof Uint32Array || typeof x !== 'object' || x === null
        ? Array.isArray(x)
          ? x.map(backwards)
          : x
        : Object.fromEntries(
            Object.entries(x)
              .toReversed()
              .map(([k, y]) => [k, backwards(y)]),
          )
    expect(planDigest(backwards(plan) as Plan)).toBe(planDigest(plan))
    expect(planDigest(plan)).toBe(
      createHash('sha256')
        .update(JSON.stringify(planToJson(plan)))
        .digest('hex'),
    )
  })

  it('has another digest after any change', () => {
    const plan = tiny()
    const digests = [
      plan,
      { ...plan, name: 'other' },
      { ...plan, values: plan.values.map((value, i) => (i === 0 ? { ...value, scale: value.scale + 1 } : value)) },
      {
        ...plan,
        steps: plan.steps.map((step) => (step.op === 'activation' ? { ...step, kept: 'all' as const } : step)),
      },
    ].map(planDigest)
    expect(new Set(digests).size).toBe(4)
  })

  it('stores kept positions as bits, least significant first', () => {
    const plan = tiny()
    const index = plan.steps.findIndex((step) => step.op === 'activation')
    const steps = plan.steps.map((step, i) =>
      i === index && step.op === 'activation' ? { ...step, kept: Uint32Array.of(0, 9, 15) } : step,
    )
    const json = planToJson({ ...plan, steps }).steps[index]
    if (json.op !== 'activation') throw new Error('not an activation')
    expect([...Buffer.from(json.kept, 'base64').subarray(0, 3)]).toEqual([1, 0b1000_0010, 0])
  })
})

describe('a plan from a peer is refused', () => {
  const plan = residual()
  const masked = tiny()
  const first = (json: Mutable<PlanJson>, op: string) => json.steps.findIndex((step) => step.op === op)
  const edit = (json: Mutable<PlanJson>, op: string, fields: object) =>
    Object.assign(json.steps[first(json, op)], fields)

  it.each<[string, Plan, (json: Mutable<PlanJson>) => void, RegExp]>([
    [
      'a value that is read before it is assigned',
      plan,
      (j) => edit(j, 'linear', { input: 5 }),
      /'stem.conv'.*value 5/,
    ],
    ['a value that does not exist', plan, (j) => edit(j, 'linear', { output: 1999 }), /'stem.conv'.*value 1999/],
    ['a second assignment', plan, (j) => edit(j, 'activation', { output: 1 }), /'stem.relu'.*second time/],
    ['the input assigned', plan, (j) => edit(j, 'linear', { output: 0 }), /'stem.conv'.*value 0 a second time/],
    ['a value without a step', plan, (j) => j.values.push({ ...j.values[0] }), /value \d+ is never assigned/],
    ['two steps of one id', plan, (j) => edit(j, 'activation', { id: 'stem.conv' }), /'stem.conv'.*unique/],
    ['no reveal', plan, (j) => j.steps.pop(), /exactly one reveal/],
    ['a reveal before the end', plan, (j) => j.steps.unshift({ ...j.steps[j.steps.length - 1], id: 'x' }), /reveal/],
    [
      'a linear layer on an HE answer',
      plan,
      (j) => {
        const { output } = j.steps[0] as { output: number }
        const value = j.values[output]
        const geometry = {
          inChannels: value.shape[0],
          inHeight: value.shape[1],
          inWidth: value.shape[2],
          outChannels: 1,
          kernelHeight: 1,
          kernelWidth: 1,
          stride: 1,
          padding: 0,
          groups: 1,
        }
        const tiling = { channels: 1, outputs: 1, height: 1, width: 1 }
        const made = { op: 'linear' as const, id: 'bad', input: output, output: j.values.length, geometry, tiling }
        j.values.push({ ...value, shape: [1, value.shape[1], value.shape[2]], length: value.shape[1] * value.shape[2] })
        j.steps.splice(1, 0, { ...made, weightBits: 5, weightScale: 0 })
      },
      /'bad'.*HE answer/,
    ],
    [
      'a geometry of another input',
      plan,
      (j) => edit(j, 'linear', { geometry: { ...geometryOf(j), inHeight: 9 } }),
      /geometry/,
    ],
    [
      'a zero stride',
      plan,
      (j) => edit(j, 'linear', { geometry: { ...geometryOf(j), stride: 0 } }),
      /'stem.conv'.*stride/,
    ],
    [
      'groups that do not divide',
      plan,
      (j) => edit(j, 'linear', { geometry: { ...geometryOf(j), groups: 2 } }),
      /groups/,
    ],
    [
      'a tile beyond the degree',
      plan,
      (j) => edit(j, 'linear', { tiling: { channels: 3, outputs: 16, height: 64, width: 64 } }),
      /tile/,
    ],
    ['a scale that does not follow', plan, (j) => edit(j, 'linear', { weightScale: 3 }), /'stem.conv'.*scale/],
    ['alignments that do not follow', plan, (j) => edit(j, 'add', { shifts: [0, 58] }), /scale|shift/],
    [
      'a circuit wider than the ring',
      plan,
      (j) => edit(j, 'activation', { circuitBits: 59 }),
      /'stem.relu'.*circuitBits/,
    ],
    ['a negative shift', plan, (j) => edit(j, 'activation', { shift: -1 }), /'stem.relu'.*shift/],
    ['a ring that grows in a linear layer', plan, (j) => (j.values[0].bits -= 1), /'stem.conv'.*ring/],
    [
      'a shape that does not follow',
      plan,
      (j) => (j.values[1] = { ...j.values[1], shape: [4, 4, 64] }),
      /'stem.conv'.*shape/,
    ],
    ['a length that does not follow', plan, (j) => (j.values[1].length += 1), /value 1.*length/],
    [
      'a huge value',
      plan,
      (j) => (j.values[1] = { ...j.values[1], shape: [2 ** 20, 2 ** 20], length: 2 ** 40 }),
      /value 1/,
    ],
    ['a ring beyond 59 bits', plan, (j) => (j.values[1].bits = 60), /value 1.*59/],
    ['HE parameters that are missing', plan, (j) => (j.he = []), /HE parameters/],
    ['HE parameters nobody uses', plan, (j) => j.he.push({ ...j.he[0], plainBits: 2 }), /2 bits/],
    ['more classes than logits', plan, (j) => (j.classes = 5), /'output'.*5 logits/],
    [
      'a failure bound above 2^-20',
      plan,
      (j) => (j.failure = { truncation: 0, rounding: 1e-6, total: 1e-6 }),
      /failure/,
    ],
    ['parts that do not add up', plan, (j) => (j.failure.truncation = 1e-7), /failure/],
    ['a mask of another length', masked, (j) => edit(j, 'activation', { kept: 'AAAA' }), /'relu1'.*mask/],
    ['a mask with a bit too many', masked, (j) => edit(j, 'maxPool', { kernel: [64, 64] }), /'pool1'/],
    ['a pool that does not account for its window', masked, (j) => edit(j, 'sumPool', { kernel: [1, 1] }), /'pool2'/],
    ['an unknown field', plan, (j) => Object.assign(j, { extra: 1 }), /plan/],
    ['an unknown step', plan, (j) => edit(j, 'linear', { op: 'softmax' }), /steps/],
    ['a fraction', plan, (j) => edit(j, 'linear', { weightBits: 1.5 }), /weightBits/],
  ])('%s', (_, base, change, message) => {
    const error = refusal(changed(base, change))
    expect(error.code).toBe('plan-invalid')
    expect(error.message).toMatch(message)
  })

  it('another version, as such', () => {
    expect(refusal(changed(plan, (j) => (j.version = 2))).code).toBe('version-mismatch')
  })

  it('bytes that are no JSON, or not UTF-8', () => {
    for (const bytes of [Uint8Array.of(0xff, 0xfe), new TextEncoder().encode('{"version":')]) {
      expect(() => decodePlan(bytes)).toThrow(expect.objectContaining({ code: 'plan-invalid' }))
    }
  })

  it('in memory too: kept positions out of order or out of range', () => {
    const index = masked.steps.findIndex((step) => step.op === 'activation')
    for (const kept of [Uint32Array.of(3, 2), Uint32Array.of(2, 2), Uint32Array.of(100_000)]) {
      const steps = masked.steps.map((step, i) => (i === index && step.op === 'activation' ? { ...step, kept } : step))
      expect(() => checkPlan({ ...masked, steps })).toThrow(/'relu1'.*kept/)
    }
  })
})

function geometryOf(json: Mutable<PlanJson>): object {
  const step = json.steps.find((s) => s.op === 'linear')
  if (step?.op !== 'linear') throw new Error('no linear step')
  return step.geometry
}
