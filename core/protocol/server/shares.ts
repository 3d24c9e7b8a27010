/** The server's shares of an inference that runs. */
import type { Plan } from '../../network/plan.ts'
import { free } from '../../ring/memory.ts'
import type { RingVector } from '../../ring/ring.ts'
import { stepInputs } from '../local.ts'
import { encodeWords } from '../store/words.ts'
import type { Witness } from '../witness.ts'

/** Shares by value of the plan; each goes after the last step that reads it, unless a witness is to see all of them. */
export class Shares {
  readonly #shares = new Map<number, RingVector>()
  /** Values that no later step reads, by step. */
  readonly #ending = new Map<number, number[]>()
  readonly #witness: Witness | undefined

  constructor(plan: Plan, witness: Witness | undefined) {
    this.#witness = witness
    const readers = new Map<number, number>()
    for (const [index, step] of plan.steps.entries()) for (const v of stepInputs(step)) readers.set(v, index)
    for (const [value, index] of readers) this.#ending.set(index, [...(this.#ending.get(index) ?? []), value])
  }

  get(value: number): RingVector {
    const share = this.#shares.get(value)
    if (share === undefined) throw new Error(`value ${value} is read before it is shared`)
    return share
  }

  set(value: number, share: RingVector): void {
    this.#shares.set(value, share)
  }

  /** The step was carried out. */
  after(index: number): void {
    if (this.#witness !== undefined) return
    for (const value of this.#ending.get(index) ?? []) {
      const share = this.get(value)
      this.#shares.delete(value)
      // A reshaped value has the memory of the one that it was.
      const shared = [...this.#shares.values()].some(({ words }) => words.buffer === share.words.buffer)
      if (!shared) free(encodeWords(share))
    }
  }

  /** Shows all of them to the witness. */
  show(): void {
    for (const [value, share] of this.#shares) this.#witness?.share(value, share)
  }
}
