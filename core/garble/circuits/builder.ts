/**
 * Builds Boolean circuits for garbling: XOR and NOT are free, so every block here is written for the fewest ANDs.
 *
 * Wires may be constants while a circuit is being built; gates on constants fold away, so the finished circuit has
 * none. Words are arrays of wires, least significant bit first.
 */
import { GATE_AND, GATE_NOT, GATE_XOR, type Circuit } from '../../kernels/interface.ts'

/** A wire of the circuit under construction, or one of the constants {@link ZERO} and {@link ONE}. */
export type Wire = number
/** Wires of a number, least significant bit first. */
export type Word = readonly Wire[]

export const ZERO: Wire = -1
export const ONE: Wire = -2

/** Gates and inputs of one circuit; inputs are declared in the constructor, garbler's first. */
export class CircuitBuilder {
  readonly #garblerInputs: number
  readonly #evaluatorInputs: number
  /** Triples (opcode, a, b) of the gate that drives wire `inputs + index`. */
  readonly #gates: number[] = []

  constructor(garblerInputs: number, evaluatorInputs: number) {
    if (
      !Number.isInteger(garblerInputs) ||
      !Number.isInteger(evaluatorInputs) ||
      garblerInputs < 0 ||
      evaluatorInputs < 0
    ) {
      throw new RangeError(`input counts must be non-negative integers, got ${garblerInputs} and ${evaluatorInputs}`)
    }
    this.#garblerInputs = garblerInputs
    this.#evaluatorInputs = evaluatorInputs
  }

  get #inputs(): number {
    return this.#garblerInputs + this.#evaluatorInputs
  }

  /** `count` garbler inputs from number `first`. */
  garblerWord(first: number, count: number): Word {
    if (first < 0 || first + count > this.#garblerInputs) throw new RangeError('garbler inputs out of range')
    return Array.from({ length: count }, (_, i) => first + i)
  }

  /** `count` evaluator inputs from number `first`. */
  evaluatorWord(first: number, count: number): Word {
    if (first < 0 || first + count > this.#evaluatorInputs) throw new RangeError('evaluator inputs out of range')
    return Array.from({ length: count }, (_, i) => this.#garblerInputs + first + i)
  }

  #gate(opcode: number, a: Wire, b: Wire): Wire {
    this.#gates.push(opcode, a, b)
    return this.#inputs + this.#gates.length / 3 - 1
  }

  xor(a: Wire, b: Wire): Wire {
    if (a === b) return ZERO
    if (a === ZERO) return b
    if (b === ZERO) return a
    if (a === ONE) return this.not(b)
    if (b === ONE) return this.not(a)
    return this.#gate(GATE_XOR, a, b)
  }

  and(a: Wire, b: Wire): Wire {
    if (a === ZERO || b === ZERO) return ZERO
    if (a === ONE || a === b) return b
    if (b === ONE) return a
    return this.#gate(GATE_AND, a, b)
  }

  not(a: Wire): Wire {
    if (a === ZERO) return ONE
    if (a === ONE) return ZERO
    const at = 3 * (a - this.#inputs)
    if (at >= 0 && this.#gates[at] === GATE_NOT) return this.#gates[at + 1]
    return this.#gate(GATE_NOT, a, a)
  }

  /** when ? a : b. One AND. */
  select(when: Wire, a: Wire, b: Wire): Wire {
    return this.xor(b, this.and(when, this.xor(a, b)))
  }

  /**
   * (a + b + carry) mod 2^width with width = a.length; b is zero-extended or cut to that width. width - 1 ANDs
   * (one more with a carry in): c' = c xor ((a xor c) and (b xor c)), Boyar, Damgård, Peralta (J. Cryptology 2008).
   */
  add(a: Word, b: Word, carry: Wire = ZERO): Word {
    const sum: Wire[] = []
    for (let i = 0; i < a.length; i++) {
      const x = this.xor(a[i], carry)
      const bi = b[i] ?? ZERO
      sum.push(this.xor(x, bi))
      if (i + 1 < a.length) carry = this.xor(carry, this.and(x, this.xor(bi, carry)))
    }
    return sum
  }

  /** (a - b) mod 2^width with width = a.length = b.length: a + not b + 1, for one AND a bit but the last. */
  sub(a: Word, b: Word): Word {
    return this.add(
      a,
      this.#sameWidth(a, b).map((w) => this.not(w)),
      ONE,
    )
  }

  /** a > b as unsigned numbers. One AND a bit: the carry of a + not b. */
  greaterUnsigned(a: Word, b: Word): Wire {
    this.#sameWidth(a, b)
    let greater: Wire = ZERO
    for (let i = 0; i < a.length; i++) {
      const differs = this.xor(a[i], greater)
      greater = this.xor(greater, this.and(differs, this.not(this.xor(b[i], greater))))
    }
    return greater
  }

  /** a > b in two's complement. One AND a bit: the sign bits change places, for a set sign is the smaller one. */
  greaterSigned(a: Word, b: Word): Wire {
    this.#sameWidth(a, b)
    const top = a.length - 1
    return this.greaterUnsigned([...a.slice(0, top), b[top]], [...b.slice(0, top), a[top]])
  }

  /** when ? a : b, bit by bit. One AND a bit. */
  selectWord(when: Wire, a: Word, b: Word): Word {
    this.#sameWidth(a, b)
    return a.map((w, i) => this.select(when, w, b[i]))
  }

  /** when ? a : 0. One AND a bit. */
  maskWord(when: Wire, a: Word): Word {
    return a.map((w) => this.and(when, w))
  }

  #sameWidth(a: Word, b: Word): Word {
    if (a.length !== b.length) throw new RangeError(`words of ${a.length} and ${b.length} bits`)
    return b
  }

  /** The circuit of these outputs, with only the gates that reach one. Throws when an output is constant. */
  build(outputs: Word): Circuit {
    const inputs = this.#inputs
    const gates = this.#gates
    const needed = new Uint8Array(gates.length / 3)
    for (const wire of outputs) {
      if (wire < 0) throw new TypeError('an output of a circuit is constant')
      if (wire >= inputs) needed[wire - inputs] = 1
    }
    // Gates come after the gates they read, so one pass from the back finds everything that is needed.
    let kept = 0
    for (let g = needed.length - 1; g >= 0; g--) {
      if (needed[g] === 0) continue
      kept++
      for (const wire of [gates[3 * g + 1], gates[3 * g + 2]]) if (wire >= inputs) needed[wire - inputs] = 1
    }
    const number = new Int32Array(needed.length)
    const place = (wire: Wire): number => (wire < inputs ? wire : number[wire - inputs])
    const packed = new Int32Array(4 * kept)
    let andGates = 0
    let next = 0
    for (let g = 0; g < needed.length; g++) {
      if (needed[g] === 0) continue
      number[g] = inputs + next
      const opcode = gates[3 * g]
      if (opcode === GATE_AND) andGates++
      packed.set([opcode, place(gates[3 * g + 1]), place(gates[3 * g + 2]), number[g]], 4 * next)
      next++
    }
    return Object.freeze({
      garblerInputs: this.#garblerInputs,
      evaluatorInputs: this.#evaluatorInputs,
      gates: packed,
      andGates,
      wires: inputs + kept,
      outputs: Int32Array.from(outputs, place),
    })
  }
}

/** Two's complement sign extension to `width` bits, or a cut to the low `width`; costs nothing. */
export function resizeSigned(word: Word, width: number): Word {
  return Array.from({ length: width }, (_, i) => word[Math.min(i, word.length - 1)])
}
