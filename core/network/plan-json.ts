/**
 * The public form of a plan: canonical JSON, kept positions as base64 bit masks. What the server sends, what both
 * parties hash, and what the plan file holds.
 */
import { createHash } from 'node:crypto'
import * as v from 'valibot'
import { AdytonError } from '../errors/errors.ts'
import { checkPlan, PLAN_LIMITS } from './plan-check.ts'
import type { Plan, Step } from './plan.ts'
import { LIMITS } from './shapes.ts'

/** A plan's JSON form is at most this many bytes. */
export const MAX_PLAN_BYTES = 64 * 2 ** 20

const integer = v.pipe(v.number(), v.safeInteger())
const index = v.pipe(integer, v.minValue(0), v.maxValue(PLAN_LIMITS.values - 1))
const id = v.pipe(v.string(), v.maxLength(PLAN_LIMITS.idLength), v.regex(/^[A-Za-z0-9_][A-Za-z0-9_./-]*$/))
const pair = v.strictTuple([integer, integer])
const shape = v.pipe(v.array(integer), v.maxLength(3))
const window = { kernel: pair, stride: integer, padding: integer }
const one = { id, input: index, output: index }

const ValueSchema = v.strictObject({ shape, length: integer, bits: integer, scale: integer, divisor: integer })

const GeometrySchema = v.strictObject({
  inChannels: integer,
  inHeight: integer,
  inWidth: integer,
  outChannels: integer,
  kernelHeight: integer,
  kernelWidth: integer,
  stride: integer,
  padding: integer,
  groups: integer,
})

const TilingSchema = v.strictObject({ channels: integer, outputs: integer, height: integer, width: integer })

/** 'all', or a bit mask over the positions: least significant bit first, base64 with padding. */
const KeptSchema = v.union([
  v.literal('all'),
  v.pipe(v.string(), v.maxLength(4 * Math.ceil(PLAN_LIMITS.elements / 24)), v.regex(/^[A-Za-z0-9+/]*={0,2}$/)),
])

const StepSchema = v.variant('op', [
  v.strictObject({
    op: v.literal('linear'),
    ...one,
    geometry: GeometrySchema,
    tiling: TilingSchema,
    weightBits: integer,
    weightScale: integer,
  }),
  v.strictObject({
    op: v.literal('add'),
    id,
    inputs: v.strictTuple([index, index]),
    shifts: pair,
    output: index,
  }),
  v.strictObject({ op: v.literal('sumPool'), ...one, ...window }),
  v.strictObject({
    op: v.literal('concat'),
    id,
    inputs: v.pipe(v.array(index), v.minLength(1), v.maxLength(LIMITS.concat)),
    shifts: v.pipe(v.array(integer), v.minLength(1), v.maxLength(LIMITS.concat)),
    output: index,
  }),
  v.strictObject({ op: v.literal('reshape'), ...one }),
  v.strictObject({ op: v.literal('activation'), ...one, kept: KeptSchema, circuitBits: integer, shift: integer }),
  v.strictObject({
    op: v.literal('maxPool'),
    ...one,
    ...window,
    relu: v.boolean(),
    circuitBits: integer,
    shift: integer,
  }),
  v.strictObject({
    op: v.literal('reveal'),
    id,
    input: index,
    kind: v.picklist(['logits', 'label']),
    circuitBits: integer,
  }),
])

const PlanSchema = v.strictObject({
  version: integer,
  name: v.pipe(v.string(), v.minLength(1), v.maxLength(128)),
  classes: integer,
  values: v.pipe(v.array(ValueSchema), v.maxLength(PLAN_LIMITS.values)),
  steps: v.pipe(v.array(StepSchema), v.maxLength(PLAN_LIMITS.steps)),
  he: v.pipe(
    v.array(
      v.strictObject({
        plainBits: integer,
        polyDegree: integer,
        primeBits: v.pipe(v.array(integer), v.maxLength(16)),
      }),
    ),
    v.maxLength(PLAN_LIMITS.contexts),
  ),
  failure: v.strictObject({ truncation: v.number(), rounding: v.number(), total: v.number() }),
})

/** A plan as JSON data. */
export type PlanJson = v.InferOutput<typeof PlanSchema>
type StepJson = PlanJson['steps'][number]

function keptToJson(kept: 'all' | Uint32Array, length: number): string {
  if (kept === 'all') return 'all'
  const mask = Buffer.alloc(Math.ceil(length / 8))
  for (const i of kept) mask[i >>> 3] |= 1 << (i & 7)
  return mask.toString('base64')
}

function keptFromJson(text: string, length: number, stepId: string): 'all' | Uint32Array {
  if (text === 'all') return 'all'
  const fail = (what: string): never => {
    throw new AdytonError('plan-invalid', `step '${stepId}' (activation): ${what}`)
  }
  const bytes = Math.ceil(length / 8)
  if (text.length !== 4 * Math.ceil(bytes / 3)) fail(`expected a mask of ${length} bits`)
  const mask = Buffer.from(text, 'base64')
  if (mask.length !== bytes || mask.toString('base64') !== text) fail('the mask is not canonical base64')
  if (length % 8 !== 0 && mask[bytes - 1] >>> (length % 8) !== 0) fail('unused bits of the mask are not zero')
  let count = 0
  for (const byte of mask) for (let b = byte; b !== 0; b &= b - 1) count++
  const kept = new Uint32Array(count)
  let at = 0
  for (let i = 0; i < length; i++) if ((mask[i >>> 3] >>> (i & 7)) & 1) kept[at++] = i
  return kept
}

/** The JSON form of one step, keys in the schema's order. */
function stepToJson(plan: Plan, step: Step): StepJson {
  const { id } = step
  switch (step.op) {
    case 'linear': {
      const { inChannels, inHeight, inWidth, outChannels, kernelHeight, kernelWidth } = step.geometry
      const { stride, padding, groups } = step.geometry
      const { channels, outputs, height, width } = step.tiling
      const window = { kernelHeight, kernelWidth, stride, padding, groups }
      return {
        op: 'linear',
        id,
        input: step.input,
        output: step.output,
        geometry: { inChannels, inHeight, inWidth, outChannels, ...window },
        tiling: { channels, outputs, height, width },
        weightBits: step.weightBits,
        weightScale: step.weightScale,
      }
    }
    case 'add': {
      const { inputs, shifts, output } = step
      return { op: 'add', id, inputs: [inputs[0], inputs[1]], shifts: [shifts[0], shifts[1]], output }
    }
    case 'concat':
      return { op: 'concat', id, inputs: [...step.inputs], shifts: [...step.shifts], output: step.output }
    case 'sumPool': {
      const { input, output, kernel, stride, padding } = step
      return { op: 'sumPool', id, input, output, kernel: [kernel[0], kernel[1]], stride, padding }
    }
    case 'reshape':
      return { op: 'reshape', id, input: step.input, output: step.output }
    case 'activation': {
      const { input, output, circuitBits, shift } = step
      const kept = keptToJson(step.kept, plan.values[input].length)
      return { op: 'activation', id, input, output, kept, circuitBits, shift }
    }
    case 'maxPool': {
      const { input, output, kernel, stride, padding, relu, circuitBits, shift } = step
      const window = { kernel: [kernel[0], kernel[1]] as [number, number], stride, padding }
      return { op: 'maxPool', id, input, output, ...window, relu, circuitBits, shift }
    }
    case 'reveal':
      return { op: 'reveal', id, input: step.input, kind: step.kind, circuitBits: step.circuitBits }
  }
}

/** JSON data of a plan, keys in a fixed order whatever order the plan's own have. */
export function planToJson(plan: Plan): PlanJson {
  const { truncation, rounding, total } = plan.failure
  return {
    version: plan.version,
    name: plan.name,
    classes: plan.classes,
    values: plan.values.map(({ shape, length, bits, scale, divisor }) => ({
      shape: [...shape],
      length,
      bits,
      scale,
      divisor,
    })),
    steps: plan.steps.map((step) => stepToJson(plan, step)),
    he: plan.he.map(({ plainBits, polyDegree, primeBits }) => ({ plainBits, polyDegree, primeBits: [...primeBits] })),
    failure: { truncation, rounding, total },
  }
}

/**
 * A plan from JSON data of unknown origin. Throws AdytonError 'plan-invalid', naming the step or the field, or
 * 'version-mismatch'; what it allocates is proportional to the data.
 */
export function planFromJson(json: unknown): Plan {
  const result = v.safeParse(PlanSchema, json, { abortEarly: true })
  if (!result.success) {
    const issue = result.issues[0]
    throw new AdytonError('plan-invalid', `plan: ${v.getDotPath(issue) ?? '(root)'}: ${issue.message.slice(0, 200)}`)
  }
  const { steps, ...rest } = result.output
  const plan: Plan = {
    ...rest,
    steps: steps.map((step): Step => {
      if (step.op !== 'activation') return step
      // The mask's own length, not the declared one, decides what is allocated; checkPlan compares the rest.
      const length = rest.values[step.input]?.length ?? 0
      return { ...step, kept: keptFromJson(step.kept, length, step.id) }
    }),
  }
  checkPlan(plan)
  return plan
}

/** The canonical bytes of a plan: UTF-8 JSON without spaces, keys in a fixed order. */
export function encodePlan(plan: Plan): Uint8Array {
  return new TextEncoder().encode(JSON.stringify(planToJson(plan)))
}

/** Inverse of {@link encodePlan} for bytes of unknown origin; errors as {@link planFromJson}. */
export function decodePlan(bytes: Uint8Array): Plan {
  if (bytes.length > MAX_PLAN_BYTES) {
    throw new AdytonError('plan-invalid', `plan: ${bytes.length} bytes, expected at most ${MAX_PLAN_BYTES}`)
  }
  let json: unknown
  try {
    json = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes))
  } catch (cause) {
    throw new AdytonError('plan-invalid', 'plan: not valid JSON in UTF-8', { cause })
  }
  return planFromJson(json)
}

/** Hex SHA-256 of the canonical bytes: both parties compare it before anything runs. */
export function planDigest(plan: Plan): string {
  return createHash('sha256').update(encodePlan(plan)).digest('hex')
}
