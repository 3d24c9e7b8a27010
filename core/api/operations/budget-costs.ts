/** budget-costs: what a private inference of a network would cost with fewer ReLUs, for a slider. */
import * as v from 'valibot'
import { AdytonError } from '../../errors/errors.ts'
import { countKept, masksOf, withMasks } from '../../linearize/masks.ts'
import { randomMasks } from '../../linearize/select.ts'
import type { BudgetModel, BudgetPoint } from '../data/budget.ts'
import type { Costs } from '../calibration/costs.ts'
import { loadCalibration } from '../calibration/file.ts'
import { dataFolder } from '../data-folder.ts'
import { estimate } from '../estimate.ts'
import type { Operation } from '../operation.ts'
import { calibrateNetwork } from '../../network/lower/lower.ts'
import type { Calibration } from '../../network/lower/calibrate.ts'
import type { Plan } from '../../network/plan.ts'
import { derive } from '../../ring/prg.ts'
import { rounds } from '../inference/steps.ts'
import { planSummary } from '../plan-summary.ts'
import { loadNetwork, lowerNetwork, noiseImages, sourceSchema, type LoadedNetwork } from '../source.ts'

/** Of the network's ReLUs. Costs are nearly straight lines, bent where widths change and garbling is cut into chunks. */
const SHARES = [1 / 64, 1 / 16, 1 / 8, 1 / 4, 1 / 2, 3 / 4]

/** Images of noise stand in where the network's own calibration says nothing: the same ones every time. */
const NOISE_SEED = derive(new TextEncoder().encode('budget-costs'), 'noise images', 32)
const NOISE_IMAGES = 1

const inputSchema = v.strictObject({
  source: sourceSchema,
  /** ReLUs; evenly spread ones unless given. The ends, none and all, are always there. */
  budgets: v.exactOptional(v.pipe(v.array(v.pipe(v.number(), v.safeInteger(), v.minValue(0))), v.maxLength(32))),
  reveal: v.optional(v.picklist(['logits', 'label']), 'logits'),
  /** Folder of the catalog that zoo:ID means; see dataFolder. */
  data: v.exactOptional(v.pipe(v.string(), v.minLength(1))),
})
export type BudgetCostsInput = v.InferOutput<typeof inputSchema>

export const budgetCosts: Operation<typeof inputSchema, BudgetModel> = {
  name: 'budget-costs',
  summary:
    'States bytes and estimated time of one private inference at several ReLU budgets, before anything is trained.',
  input: inputSchema,
  async run({ source, budgets, reveal, data }, { onProgress, onNotice, signal }) {
    const network = await loadNetwork(source, data)
    const calibration = await loadCalibration(dataFolder(data), onNotice)
    const relus = countKept(network.graph, masksOf(network))
    const wanted = budgets ?? SHARES.map((share) => Math.round(share * relus))
    const above = wanted.find((budget) => budget > relus)
    if (above !== undefined) {
      throw new AdytonError('usage', `a budget of ${above} ReLUs: the network has ${relus}`)
    }
    // A network without masks divides exactly (options.ts, rescale) and one with masks does not: the costs jump there.
    const ends = [0, Math.max(relus - 1, 0), relus]
    const all = [...new Set([...ends, ...wanted])].sort((a, b) => a - b)
    const points: BudgetPoint[] = []
    let turns: BudgetModel['rounds'] = { offline: 0, online: 0 }
    for (const [i, budget] of all.entries()) {
      if (signal.aborted) throw new AdytonError('cancelled', 'the prediction was stopped')
      onProgress({ text: `${budget} ReLUs`, fraction: i / all.length })
      const plan = planOf(budget === relus ? network : withBudget(network, budget), reveal)
      if (plan === undefined) continue
      points.push(costsOf(plan, budget, calibration?.costs))
      turns = rounds(plan)
    }
    return { relus, rounds: turns, points }
  },
}

/** Keeps `budget` of the ReLUs, spread evenly: by channel where channels are already masked. */
function withBudget(network: LoadedNetwork, budget: number): LoadedNetwork {
  const { graph } = network
  const within = masksOf(network)
  const byChannel = [...within.values()].some(
    ({ granularity, kept }) => granularity === 'channel' && kept.some((value) => value !== kept[0]),
  )
  const granularity = byChannel ? 'channel' : 'element'
  const masked = { ...network, ...withMasks(network, randomMasks(graph, budget, 'budget', { granularity, within })) }
  return { ...masked, calibration: calibrationOf(masked) }
}

/**
 * Ranges of a network with fewer ReLUs than it was calibrated with: its own, and for what is new (sums at positions that
 * were not linearised, values that are shared anew) those of a run on noise, scaled to them.
 */
function calibrationOf(masked: LoadedNetwork): Calibration | null {
  const { calibration, graph, tensors } = masked
  if (calibration === null) return null
  const noise = calibrateNetwork(graph, tensors, noiseImages(masked, NOISE_IMAGES, NOISE_SEED))
  const ranges = Object.entries(noise).map(([id, { max, linearised }]): [string, Calibration[string]] => {
    const own = calibration[id] ?? calibration[id.replace(/\.rescale_*$/, '')]
    return [id, own === undefined ? { max, linearised } : { max: own.max, linearised: (linearised * own.max) / max }]
  })
  return Object.fromEntries(ranges)
}

/** Undefined for a network that cannot be lowered: values grow too large where nearly all ReLUs are gone. */
function planOf(network: LoadedNetwork, reveal: 'logits' | 'label'): Plan | undefined {
  try {
    return lowerNetwork(network, { reveal }).plan
  } catch (error) {
    if (error instanceof AdytonError && error.code === 'model-overflow') return undefined
    throw error
  }
}

function costsOf(plan: Plan, relus: number, costs: Costs | undefined): BudgetPoint {
  const { offline, online } = planSummary(plan).bytes
  const { offline: before, online: during } = estimate(plan, costs)
  return {
    ...{ relus, offlineBytes: { ...offline }, onlineBytes: { ...online } },
    ...{ offlineSeconds: before.wallMs / 1000, onlineSeconds: during.wallMs / 1000 },
  }
}
