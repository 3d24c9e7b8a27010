/**
 * What a private inference costs at any ReLU budget, for a slider: figures at some budgets, and straight lines between
 * them. Plain data and pure functions.
 */
import { phaseTime, type NetworkLink } from './link.ts'

/** Framed bytes in both directions, and estimated seconds on the kind of machine that estimate.ts was fitted to. */
export interface BudgetCosts {
  readonly offlineBytes: { readonly clientToServer: number; readonly serverToClient: number }
  readonly onlineBytes: { readonly clientToServer: number; readonly serverToClient: number }
  readonly offlineSeconds: number
  readonly onlineSeconds: number
}

export interface BudgetPoint extends BudgetCosts {
  /** ReLUs that are kept, spread evenly over the network. */
  readonly relus: number
}

export interface BudgetModel {
  /** ReLUs that the network has now: the slider's right end. */
  readonly relus: number
  /** Turns of each phase with all ReLUs, as phaseTime counts them; a layer that loses its last one saves a turn. */
  readonly rounds: { readonly offline: number; readonly online: number }
  /**
   * By rising ReLUs, up to `relus`; the lowest is the first that can be lowered. At `relus` bytes are exact. Below, they
   * are exact for a network with its weights and ReLUs kept evenly over all layers; one that was trained differs by a few
   * per cent, for a method keeps more in some layers and ranges move. Removing the first ReLU may raise the costs: local
   * truncation needs a wider ring.
   */
  readonly points: readonly BudgetPoint[]
}

/** Interpolates; a budget beyond the ends is taken as the end. Exact at the points of the model. */
export function costsAt({ points }: BudgetModel, budget: number): BudgetCosts {
  const above = points.findIndex(({ relus }) => relus >= budget)
  const high = points[above < 0 ? points.length - 1 : above]
  const low = above <= 0 ? high : points[above - 1]
  const share = high.relus === low.relus ? 0 : (Math.min(budget, high.relus) - low.relus) / (high.relus - low.relus)
  const between = (a: number, b: number): number => a + share * (b - a)
  const bytes = (phase: 'offlineBytes' | 'onlineBytes'): BudgetCosts['offlineBytes'] => ({
    clientToServer: Math.round(between(low[phase].clientToServer, high[phase].clientToServer)),
    serverToClient: Math.round(between(low[phase].serverToClient, high[phase].serverToClient)),
  })
  return {
    offlineBytes: bytes('offlineBytes'),
    onlineBytes: bytes('onlineBytes'),
    offlineSeconds: between(low.offlineSeconds, high.offlineSeconds),
    onlineSeconds: between(low.onlineSeconds, high.onlineSeconds),
  }
}

/** Seconds of one inference at a budget over a link. */
export function timesAt(
  model: BudgetModel,
  budget: number,
  link: NetworkLink,
): { readonly offline: number; readonly online: number } {
  const { offlineBytes, onlineBytes, offlineSeconds, onlineSeconds } = costsAt(model, budget)
  const phase = (name: 'offline' | 'online', seconds: number, bytes: BudgetCosts['offlineBytes']): number =>
    phaseTime(
      name,
      {
        workMs: 1000 * seconds,
        bytesUp: bytes.clientToServer,
        bytesDown: bytes.serverToClient,
        rounds: model.rounds[name],
      },
      link,
    )
  return {
    offline: phase('offline', offlineSeconds, offlineBytes),
    online: phase('online', onlineSeconds, onlineBytes),
  }
}

/** The most ReLUs whose online phase is estimated to take no longer; null when even none of them would. */
export function budgetFor(model: BudgetModel, onlineSeconds: number): number | null {
  const { points } = model
  const at = points.findLastIndex((point) => point.onlineSeconds <= onlineSeconds)
  if (at < 0) return null
  if (at === points.length - 1) return model.relus
  const [low, high] = [points[at], points[at + 1]]
  const share = (onlineSeconds - low.onlineSeconds) / (high.onlineSeconds - low.onlineSeconds)
  return Math.floor(low.relus + share * (high.relus - low.relus))
}
