/**
 * Shows what a party held to the process that runs both of them: local mode only, in memory alone. It is set by code in
 * the party's own process. No message asks for it, and what serves or joins another machine never sets it.
 */
import type { RingVector } from '../ring/ring.ts'

/** Labels of the input wires of the first chunk of a batch, [wire][instance][16] as in core/garble/session.ts. */
export interface WireLabels {
  readonly step: string
  /** Whose input bits the wires carry. */
  readonly owner: 'client' | 'server'
  readonly instances: number
  readonly labels: Uint8Array
}

export interface Witness {
  /** The party's share of a value of the plan. */
  share(value: number, share: RingVector): void
  /** Client: the one label of each wire that it holds. Their memory is the witness's during the call alone. */
  active?(labels: WireLabels): void
  /** Server: the label of each wire for 0; that for 1 is it XOR delta (16 bytes). */
  zero?(labels: WireLabels, delta: Uint8Array): void
}
