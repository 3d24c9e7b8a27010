/** What a network adds to the time of an inference. Pure, so that a slider can ask it at every movement. */

/** A network between client and server, as the client sees it. */
export interface NetworkLink {
  /** bit/s from the client to the server. */
  readonly up: number
  /** bit/s from the server to the client. */
  readonly down: number
  /** There and back, ms. */
  readonly rttMs: number
}

export type LinkName = 'lan' | 'wan'

/** A wired network within a building; two machines a continent apart. */
export const LINKS: Readonly<Record<LinkName, NetworkLink>> = {
  lan: { up: 1e9, down: 1e9, rttMs: 0.5 },
  wan: { up: 100e6, down: 100e6, rttMs: 40 },
}

/**
 * Seconds that a link needs for bytes and for turns that wait for one another (`rounds` of the round-trip time).
 * @throws RangeError for bandwidths that are not positive or a negative round-trip time
 */
export function linkTime(bytesUp: number, bytesDown: number, rounds: number, link: NetworkLink): number {
  if (!(link.up > 0 && link.down > 0 && link.rttMs >= 0)) throw new RangeError('a link needs bandwidth both ways')
  return (8 * bytesUp) / link.up + (8 * bytesDown) / link.down + (rounds * link.rttMs) / 1000
}

/** One phase of one inference, before anything runs. */
export interface PhaseCost {
  /** Work of both parties, ms, with no network between them. */
  readonly workMs: number
  readonly bytesUp: number
  readonly bytesDown: number
  /** Turns in which a party waits for the other's answer to what it just sent. */
  readonly rounds: number
}

/**
 * Seconds of a phase over a link. Offline, work and wire overlap: the slower of the two decides, and the turns are
 * added. Online they take turns, and everything adds up.
 */
export function phaseTime(phase: 'offline' | 'online', cost: PhaseCost, link: NetworkLink): number {
  const work = cost.workMs / 1000
  const wire = linkTime(cost.bytesUp, cost.bytesDown, 0, link)
  const turns = linkTime(0, 0, cost.rounds, link)
  return (phase === 'offline' ? Math.max(work, wire) : work + wire) + turns
}
