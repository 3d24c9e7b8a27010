/**
 * Recipes: how a model was made, as JSON. A chain of steps, each with the papers' values for what it leaves out, run by
 * {@link runRecipe} (run.ts) and stored with the model.
 */
import * as v from 'valibot'
import { AdytonError } from '../../errors/errors.ts'
import { PhaseSchema } from '../phase.ts'
import { SNL_ENTRIES } from '../snl/spec.ts'

export const RECIPE_VERSION = 1

const whole = v.pipe(v.number(), v.safeInteger())
const name = v.pipe(v.string(), v.minLength(1), v.maxLength(128))
const stage = v.pipe(whole, v.minValue(0), v.maxValue(1000))

/** ReLUs to keep; a share of those that the architecture has without masks; or what a sweep fills in. */
const BudgetSchema = v.union(
  [
    v.pipe(whole, v.minValue(0)),
    v.strictObject({ share: v.pipe(v.number(), v.minValue(0), v.maxValue(1)) }),
    v.literal('sweep'),
  ],
  'expected a number of ReLUs, {"share": 0 to 1} or \'sweep\'',
)

export type Budget = v.InferOutput<typeof BudgetSchema>

export const StepSchema = v.variant('step', [
  /** Trains the weights, fresh ones where there are none; masks stay. */
  v.strictObject({
    step: v.literal('train'),
    /** Begins with fresh weights in any case; false unless given. */
    fresh: v.exactOptional(v.boolean()),
    ...PhaseSchema.entries,
  }),
  /** Trains with the rate and the distillation that the SNL paper ends with. */
  v.strictObject({ step: v.literal('finetune'), ...PhaseSchema.entries }),
  /** From here on the network as it is now is the teacher. A network that is given with weights is so from the start. */
  v.strictObject({ step: v.literal('teacher') }),
  v.strictObject({ step: v.literal('snl'), budget: BudgetSchema, ...SNL_ENTRIES }),
  /** ReLU-thinning; see thin in layers.ts. */
  v.strictObject({
    step: v.literal('thin'),
    first: v.exactOptional(v.picklist(['keep', 'drop'])),
    stages: v.exactOptional(v.pipe(v.array(stage), v.minLength(1), v.maxLength(64))),
  }),
  /** Drops the ReLUs of a stage, from 0, or of the one with the lowest criticality. */
  v.strictObject({ step: v.literal('cull'), stage: v.union([stage, v.literal('least-critical')]) }),
  /** Trains a network for each stage, with its ReLUs only, and computes the criticality; the network stays as it is. */
  v.strictObject({
    step: v.literal('criticality'),
    /** 'scratch' (unless given) trains each from fresh weights, 'trained' from the network's. */
    start: v.exactOptional(v.picklist(['trained', 'scratch'])),
    ...PhaseSchema.entries,
  }),
  v.strictObject({
    step: v.literal('scale-channels'),
    factor: v.pipe(v.number(), v.gtValue(0), v.maxValue(16)),
  }),
  v.strictObject({
    step: v.literal('scale-feature-maps'),
    divisor: v.pipe(whole, v.minValue(2), v.maxValue(16)),
  }),
  v.strictObject({
    step: v.literal('prune-filters'),
    budget: BudgetSchema,
    residual: v.exactOptional(v.picklist(['inner', 'coupled'])),
  }),
  v.strictObject({
    step: v.literal('random-masks'),
    budget: BudgetSchema,
    granularity: v.exactOptional(v.picklist(['element', 'channel'])),
  }),
  v.strictObject({
    step: v.literal('drop-layers'),
    budget: BudgetSchema,
    /** Ids of ReLU nodes, the first to drop first. */
    order: v.exactOptional(v.pipe(v.array(name), v.maxLength(2000))),
    refill: v.exactOptional(v.boolean()),
  }),
])

export type Step = v.InferOutput<typeof StepSchema>
export type StepKind = Step['step']
export type StepOf<K extends StepKind> = Extract<Step, { step: K }>

export const BatchSettingsSchema = v.strictObject({
  /** Images in a batch; 128 unless given. */
  size: v.exactOptional(v.pipe(whole, v.minValue(1), v.maxValue(65536))),
  /** Whether training images are mirrored and shifted as is customary for the data set; true unless given. */
  augment: v.exactOptional(v.boolean()),
})

export type BatchSettings = v.InferOutput<typeof BatchSettingsSchema>

export const RecipeSchema = v.strictObject({
  version: v.literal(RECIPE_VERSION),
  name,
  description: v.exactOptional(v.pipe(v.string(), v.maxLength(4000))),
  /** Repeats all that is drawn at random; 1 unless given. */
  seed: v.exactOptional(v.union([whole, v.pipe(v.string(), v.maxLength(200))])),
  batches: v.exactOptional(BatchSettingsSchema),
  steps: v.pipe(v.array(StepSchema), v.minLength(1), v.maxLength(64)),
})

export type Recipe = v.InferOutput<typeof RecipeSchema>

/** Kind of the step that a path of an issue leads into. */
function stepKind(json: unknown, index: number): string {
  const steps: unknown = typeof json === 'object' && json !== null && 'steps' in json ? json.steps : undefined
  const step: unknown = Array.isArray(steps) ? steps[index] : undefined
  return typeof step === 'object' && step !== null && 'step' in step && typeof step.step === 'string'
    ? ` (${step.step.slice(0, 40)})`
    : ''
}

/** A recipe from parsed JSON. Throws AdytonError 'usage' that names the step and the field. */
export function parseRecipe(json: unknown): Recipe {
  const result = v.safeParse(RecipeSchema, json, { abortEarly: true })
  if (result.success) return result.output
  const issue = result.issues[0]
  const keys = (issue.path ?? []).map((item) => item.key)
  const index = keys[0] === 'steps' && typeof keys[1] === 'number' ? keys[1] : undefined
  const where =
    index !== undefined
      ? `step ${index + 1}${stepKind(json, index)}${keys.length > 2 ? `, ${keys.slice(2).join('.')}` : ''}`
      : keys.length > 0
        ? keys.join('.')
        : 'the whole'
  throw new AdytonError('usage', `recipe: ${where}: ${issue.message}`, {
    advice: `Steps are: ${StepSchema.options.map((option) => option.entries.step.literal).join(', ')}.`,
  })
}
