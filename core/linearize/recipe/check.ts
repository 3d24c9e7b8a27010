/** What can be told of a recipe before it runs for hours: every step finds what it needs. */
import { AdytonError } from '../../errors/errors.ts'
import { finetunePhase, needsTeacher, pretrainPhase } from '../phase.ts'
import type { Recipe, Step } from './schema.ts'

export interface RecipeStart {
  /** Whether the network comes with weights; it is the teacher then. */
  readonly weights: boolean
  /** Whether some of its layers are masked in part. */
  readonly partlyMasked: boolean
  /** Whether a budget fills in for 'sweep'. */
  readonly budget: boolean
  /** Whether accuracy can be measured. */
  readonly evaluation: boolean
}

interface Known {
  weights: boolean
  teacher: boolean
  partlyMasked: boolean
  criticality: boolean
}

/** What is missing for a step, or undefined; updates what is known for the steps after it. */
function examine(step: Step, known: Known, start: RecipeStart, last: boolean): string | undefined {
  if ('budget' in step && step.budget === 'sweep' && !start.budget) return "the budget is 'sweep', and none is given"
  const distils =
    'there is no teacher to distil from: put a train and a teacher step before it, or give a trained network'
  switch (step.step) {
    case 'train':
      if (needsTeacher(pretrainPhase(step)) && !known.teacher) return distils
      known.weights = true
      return undefined
    case 'finetune':
      if (!known.weights) return 'there are no weights to fine-tune: put a train step before it'
      return needsTeacher(finetunePhase(step)) && !known.teacher ? distils : undefined
    case 'teacher':
      if (!known.weights) return 'the network has no weights yet, so it cannot teach'
      known.teacher = true
      return undefined
    case 'snl':
      if (!known.weights && step.start !== 'scratch')
        return 'SNL starts from a trained network: put a train step before it'
      if (!known.weights && !known.teacher) return distils
      if (step.removed === 'zero' && !last) return 'zero-out gives no model that another step could take'
      known.partlyMasked = true
      known.weights = true
      return undefined
    case 'random-masks':
      known.partlyMasked = true
      return undefined
    case 'thin':
    case 'drop-layers':
      return undefined
    case 'cull':
      return step.stage === 'least-critical' && !known.criticality
        ? 'no criticality is known: put a criticality step before it'
        : undefined
    case 'criticality':
      if (!start.evaluation) return 'criticality needs test images'
      if (step.start === 'trained' && !known.weights) return 'there are no weights to start from'
      if (needsTeacher(pretrainPhase(step)) && !known.teacher) return distils
      known.criticality = true
      return undefined
    case 'prune-filters':
      return known.weights ? undefined : 'filters are ranked by their weights: put a train step before it'
    case 'scale-channels':
    case 'scale-feature-maps':
      if (known.partlyMasked) return 'masks of parts of layers do not carry over to other sizes: scale before them'
      known.weights = false
      return undefined
  }
}

/** Throws AdytonError 'usage' naming the first step that cannot work, and why. */
export function checkRecipe(recipe: Recipe, start: RecipeStart): void {
  const known: Known = {
    weights: start.weights,
    teacher: start.weights,
    partlyMasked: start.partlyMasked,
    criticality: false,
  }
  recipe.steps.forEach((step, index) => {
    const missing = examine(step, known, start, index === recipe.steps.length - 1)
    if (missing === undefined) return
    throw new AdytonError('usage', `recipe '${recipe.name}': step ${index + 1} (${step.step}): ${missing}`)
  })
}
