/** What a party of a local run held of a few values and of one step, for the process that runs both. Memory only. */
import type { RingVector } from '../../ring/ring.ts'
import type { WireLabels, Witness } from '../../protocol/witness.ts'

/** What is asked for. */
export interface Watch {
  /** Values of the plan. */
  readonly values: readonly number[]
  /** A step whose labels are wanted; null for none. */
  readonly step: string | null
}

/** Labels of the first wires of the first instance, 16 bytes each. */
export interface SeenLabels {
  readonly owner: 'client' | 'server'
  readonly labels: readonly Uint8Array[]
}

/** Of one phase of one package. */
export interface Seen {
  readonly shares: ReadonlyMap<number, RingVector>
  readonly labels: readonly SeenLabels[]
  /** Server: difference of the two labels of every wire. */
  readonly delta: Uint8Array | null
}

const LABEL_BYTES = 16
/** Wires whose labels are kept: enough to show. */
export const WIRES = 4

export class Collector implements Witness {
  readonly #watch: Watch
  #shares = new Map<number, RingVector>()
  #labels: SeenLabels[] = []
  #delta: Uint8Array | null = null

  constructor(watch: Watch) {
    this.#watch = watch
  }

  share(value: number, { ring, length, words }: RingVector): void {
    if (this.#watch.values.includes(value)) this.#shares.set(value, { ring, length, words: words.slice() })
  }

  active(given: WireLabels): void {
    this.#keep(given)
  }

  zero(given: WireLabels, delta: Uint8Array): void {
    if (this.#keep(given)) this.#delta = delta.slice()
  }

  /** What was seen since the last call. */
  take(): Seen {
    const seen = { shares: this.#shares, labels: this.#labels, delta: this.#delta }
    this.#shares = new Map()
    this.#labels = []
    this.#delta = null
    return seen
  }

  #keep({ step, owner, instances, labels }: WireLabels): boolean {
    // Of the batches of a step only the first is shown.
    if (step !== this.#watch.step || this.#labels.some((one) => one.owner === owner)) return false
    const wires = Math.min(WIRES, labels.length / (LABEL_BYTES * instances))
    const at = (wire: number): number => wire * instances * LABEL_BYTES
    const kept = Array.from({ length: wires }, (_, wire) => labels.slice(at(wire), at(wire) + LABEL_BYTES))
    this.#labels.push({ owner, labels: kept })
    return true
  }
}
