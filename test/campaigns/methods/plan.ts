/** What is compared: five ways to a ReLU budget, each followed by the same number of epochs with the same teacher. */
import { parseRecipe, RECIPE_VERSION, type Recipe } from '../../../core/linearize/recipe/schema.ts'

export const METHODS = ['snl', 'snl-channel', 'random', 'drop-layers', 'prune-filters'] as const
export type Method = (typeof METHODS)[number]

export const METHOD_NAMES: Readonly<Record<Method, string>> = {
  snl: 'SNL',
  'snl-channel': 'SNL by channel',
  random: 'random masks',
  'drop-layers': 'whole layers dropped, the earliest first',
  'prune-filters': 'l1 filter pruning',
}

export interface Effort {
  /** Epochs of sparsifying; methods that learn no masks fine-tune for so many more. */
  readonly sparsify: number
  readonly finetune: number
}

/** A ReLU layer and how many it has. */
export interface Layer {
  readonly id: string
  readonly total: number
}

/**
 * The layers to drop so that exactly `budget` ReLUs are left: of all sets that do, the one with the earliest layers
 * (in which ReLUs matter least: DeepReDuce, section 3). Undefined when there is none.
 */
export function layersToDrop(layers: readonly Layer[], budget: number): string[] | undefined {
  const search = (from: number, left: number): string[] | undefined => {
    if (left === 0) return []
    if (from === layers.length || left < 0) return undefined
    const { id, total } = layers[from]
    const rest = search(from + 1, left - total)
    return rest === undefined ? search(from + 1, left) : [id, ...rest]
  }
  return search(0, layers.reduce((sum, { total }) => sum + total, 0) - budget)
}

/** The recipe of a method: the budget, then fine-tuning; both distil from the full network, which is given. */
export function recipeOf(
  method: Method,
  { layers, budget, seed, effort }: { layers: readonly Layer[]; budget: number; seed: number; effort: Effort },
): Recipe {
  const relus = layers.reduce((sum, { total }) => sum + total, 0)
  const finetune = {
    loss: { kind: 'distillation', temperature: 4, weight: 0.5 },
    optimiser: { kind: 'sgd', momentum: 0.9, decay: 0.0005 },
    schedule: { kind: 'cosine', rate: 0.02 },
  }
  const learned = (granularity: 'element' | 'channel'): unknown[] => [
    {
      step: 'snl',
      budget,
      granularity,
      // The paper's 1e-5 for the 491,520 ReLUs of its network, scaled.
      lambda: 4.9152 / relus,
      kappa: 1.2,
      requiredFall: 'on-schedule',
      final: 'largest',
      sparsify: {
        epochs: effort.sparsify,
        optimiser: { kind: 'adam', decay: 0.0005, slopeRate: 8 },
        schedule: { kind: 'constant', rate: 0.001 },
      },
      finetune: { epochs: effort.finetune, ...finetune },
    },
  ]
  const chosen = (step: unknown): unknown[] => [
    step,
    { step: 'finetune', epochs: effort.sparsify + effort.finetune, ...finetune },
  ]
  const steps = {
    snl: () => learned('element'),
    'snl-channel': () => learned('channel'),
    random: () => chosen({ step: 'random-masks', budget }),
    'drop-layers': () => chosen({ step: 'drop-layers', budget, order: layersToDrop(layers, budget) ?? [] }),
    'prune-filters': () => chosen({ step: 'prune-filters', budget, residual: 'coupled' }),
  }[method]()
  return parseRecipe({ version: RECIPE_VERSION, name: `${method} to ${budget} ReLUs`, seed, steps })
}
