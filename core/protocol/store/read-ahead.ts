/** A package's sections in the order in which an inference wants them, read ahead of need into memory that is used again. */
import type { PackageReader } from './reader.ts'

/** Bytes that one section gives next. */
export interface Wanted {
  readonly section: string
  readonly bytes: number
}

/** Bytes that are read before they are asked for; the next group is read in any case. */
const AHEAD_BYTES = 4 << 20

type Lent = { readonly memory: Uint8Array[]; readonly bytes: number; readonly read: Promise<Uint8Array[]> }

export class ReadAhead {
  readonly #reader: Pick<PackageReader, 'read'>
  readonly #wanted: readonly (readonly Wanted[])[]
  readonly #aheadBytes: number
  #asked = 0
  readonly #waiting: Lent[] = []
  /** Bytes of what waits. */
  #ahead = 0
  #current: readonly Uint8Array[] = []
  #spare: Uint8Array[] = []

  /** `wanted`: what each call of next() will return. Reading starts now. */
  constructor(
    reader: Pick<PackageReader, 'read'>,
    wanted: readonly (readonly Wanted[])[],
    aheadBytes: number = AHEAD_BYTES,
  ) {
    this.#reader = reader
    this.#wanted = wanted
    this.#aheadBytes = aheadBytes
    this.#fill()
  }

  /** The next group. The bytes are the caller's until the next call. Rejects as PackageReader.read does. */
  async next(): Promise<Uint8Array[]> {
    this.#spare.push(...this.#current)
    this.#current = []
    this.#fill()
    const lent = this.#waiting.shift()
    if (lent === undefined) throw new Error('more is read than was announced')
    const read = await lent.read
    this.#current = lent.memory
    this.#ahead -= lent.bytes
    this.#fill()
    return read
  }

  #fill(): void {
    while (this.#asked < this.#wanted.length && (this.#waiting.length === 0 || this.#ahead < this.#aheadBytes)) {
      const group = this.#wanted[this.#asked++]
      const memory = group.map(({ bytes }) => this.#take(bytes))
      const read = Promise.all(group.map(({ section, bytes }, i) => this.#reader.read(section, bytes, memory[i])))
      read.catch(() => undefined) // told by the call of next() that gets there
      const bytes = group.reduce((sum, one) => sum + one.bytes, 0)
      this.#waiting.push({ memory, bytes, read })
      this.#ahead += bytes
    }
  }

  /** The smallest spare memory that is large enough; what is too small for what comes next is let go. */
  #take(bytes: number): Uint8Array {
    let best = -1
    for (const [i, { length }] of this.#spare.entries()) {
      if (length >= bytes && (best < 0 || length < this.#spare[best].length)) best = i
    }
    if (best >= 0) return this.#spare.splice(best, 1)[0]
    this.#spare = []
    return new Uint8Array(Buffer.allocUnsafeSlow(bytes).buffer)
  }
}
