/** Recipes in plain words. */
import type { Budget, Recipe, Step } from '../linearize/recipe/schema.ts'
import { finetunePhase, pretrainPhase, type FullPhase } from '../linearize/phase.ts'
import { fullSnlSpec } from '../linearize/snl/spec.ts'

export interface StepWords {
  readonly step: Step['step']
  /** 'Learn which ReLUs to keep (SNL)'. */
  readonly title: string
  /** What can be set, with what it is set to. */
  readonly parameters: readonly { readonly name: string; readonly value: string }[]
  /** Epochs of training, at most. */
  readonly epochs: number
}

const integer = (value: number): string => value.toLocaleString('en-GB')

function budgetWords(budget: Budget): string {
  if (budget === 'sweep') return 'to be chosen'
  return typeof budget === 'number' ? `${integer(budget)} ReLUs` : `${(100 * budget.share).toFixed(0)}% of the ReLUs`
}

function phaseWords({ epochs, loss, optimiser, schedule }: FullPhase, called = 'epochs'): StepWords['parameters'] {
  const rate =
    schedule.kind === 'constant'
      ? `${schedule.rate}`
      : schedule.kind === 'cosine'
        ? `${schedule.rate}, falling to zero along half a cosine`
        : `${schedule.rate}, times ${schedule.factor} after epochs ${schedule.milestones.join(', ')}`
  return [
    { name: called, value: integer(epochs) },
    { name: 'learning rate', value: rate },
    { name: 'optimiser', value: optimiser.kind === 'adam' ? 'Adam' : 'SGD with momentum' },
    {
      name: 'loss',
      value: loss.kind === 'cross-entropy' ? 'the labels' : 'the labels and the answers of the full network',
    },
  ]
}

type Words = Omit<StepWords, 'step'>

function wordsOf(step: Step): Words {
  switch (step.step) {
    case 'train': {
      const spec = pretrainPhase(step)
      return { title: 'Train the weights', parameters: phaseWords(spec), epochs: spec.epochs }
    }
    case 'finetune': {
      const spec = finetunePhase(step)
      return { title: 'Fine-tune the weights', parameters: phaseWords(spec), epochs: spec.epochs }
    }
    case 'teacher':
      return { title: 'Take the network as it is as the teacher', parameters: [], epochs: 0 }
    case 'snl': {
      const { sparsify, finetune, lambda, kappa, granularity } = fullSnlSpec({ ...step, budget: 0 })
      const tuned = finetune === false ? [] : phaseWords(finetune, 'epochs of fine-tuning')
      return {
        title: `Learn which ${granularity === 'channel' ? 'channels keep their' : ''} ReLUs to keep (SNL)`.replace(
          '  ',
          ' ',
        ),
        parameters: [
          { name: 'ReLUs to keep', value: budgetWords(step.budget) },
          { name: 'epochs of removing, at most', value: integer(sparsify.epochs) },
          { name: 'first pull on the ReLUs (lambda)', value: lambda.toExponential(1) },
          { name: 'its growth when the count does not fall (kappa)', value: String(kappa) },
          ...tuned,
        ],
        epochs: sparsify.epochs + (finetune === false ? 0 : finetune.epochs),
      }
    }
    case 'thin': {
      const stages = step.stages === undefined ? 'all' : step.stages.map((stage) => stage + 1).join(', ')
      const parameters = [{ name: 'stages', value: stages }]
      return { title: 'Drop every other layer of ReLUs', parameters, epochs: 0 }
    }
    case 'cull':
      return {
        title:
          step.stage === 'least-critical'
            ? 'Drop the ReLUs of the least critical stage'
            : `Drop the ReLUs of stage ${step.stage + 1}`,
        parameters: [],
        epochs: 0,
      }
    case 'criticality': {
      const spec = pretrainPhase(step)
      return {
        title: 'Judge each stage by training with its ReLUs alone',
        parameters: phaseWords(spec),
        epochs: spec.epochs,
      }
    }
    case 'scale-channels':
      return { title: `Make the network ${step.factor} times as wide`, parameters: [], epochs: 0 }
    case 'scale-feature-maps':
      return { title: `Make feature maps ${step.divisor} times smaller on each side`, parameters: [], epochs: 0 }
    case 'prune-filters':
    case 'random-masks':
    case 'drop-layers':
      return {
        title: {
          'prune-filters': 'Remove whole filters with the smallest weights',
          'random-masks': 'Keep ReLUs at random',
          'drop-layers': 'Drop whole layers of ReLUs',
        }[step.step],
        parameters: [{ name: 'ReLUs to keep', value: budgetWords(step.budget) }],
        epochs: 0,
      }
  }
}

export function recipeWords({ steps }: Pick<Recipe, 'steps'>): StepWords[] {
  return steps.map((step) => ({ step: step.step, ...wordsOf(step) }))
}
