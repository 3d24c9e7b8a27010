/** The training runs of a recipe, known before it starts: for progress and estimates. */
import type { Graph } from '../../network/graph.ts'
import { stageStatistics } from '../masks.ts'
import { finetunePhase, pretrainPhase } from '../phase.ts'
import { fullSnlSpec } from '../snl/spec.ts'
import type { Recipe } from './schema.ts'

export interface PlannedPhase {
  /** Place of its step in the recipe, from 0. */
  readonly step: number
  readonly phase: string
  /** At most: sparsifying ends at its budget. */
  readonly epochs: number
}

/** In the order in which they run. `graph`: the network that the recipe starts from. */
export function plannedPhases(recipe: Recipe, graph: Graph): PlannedPhase[] {
  return recipe.steps.flatMap((one, step): PlannedPhase[] => {
    switch (one.step) {
      case 'train':
        return [{ step, phase: 'train', epochs: pretrainPhase(one).epochs }]
      case 'finetune':
        return [{ step, phase: 'finetune', epochs: finetunePhase(one).epochs }]
      case 'snl': {
        const { sparsify, finetune } = fullSnlSpec({ ...one, budget: 0 })
        const tuned = finetune === false ? [] : [{ step, phase: 'finetune', epochs: finetune.epochs }]
        return [{ step, phase: 'sparsify', epochs: sparsify.epochs }, ...tuned]
      }
      case 'criticality': {
        const { epochs } = pretrainPhase(one)
        const stages = stageStatistics(graph, new Map()).filter(({ total }) => total > 0)
        return stages.map(({ stage }) => ({ step, phase: `criticality-${stage}`, epochs }))
      }
      default:
        return []
    }
  })
}
