/**
 * The server's one-time mask of an answer: r uniform mod q on every coefficient that is sent, and the server's
 * output share -round(t r / q) mod t that goes with it.
 *
 * Sampling. With q* _i = q / q_i, r = sum_i y_i q*_i mod q runs uniformly over Z_q when every y_i is uniform mod
 * q_i (Chinese remainder theorem), r mod q_i = y_i q*_i mod q_i, and t r / q = sum_i t y_i / q_i mod t, which needs
 * no number as wide as q. The y_i are 8-byte little-endian words of the key's AES-CTR stream, coefficient by
 * coefficient and prime by prime, cut to the prime's width and drawn again unless below the prime.
 */
import { derive, Prg } from '../ring/prg.ts'
import { ring, type RingVector } from '../ring/ring.ts'
import { fromWords } from '../ring/vector.ts'
import { resultElements } from './encoding.ts'
import type { HeEvaluator } from './evaluator.ts'
import { layoutOf, resultCount, tileCount } from './layout.ts'
import { dataPrimes, primesOf } from './parameters.ts'
import { modulusOf } from './residues.ts'
import type { HeParameters, HeStep } from './types.ts'

/** Mask of one answer. */
export interface AnswerMask {
  /** r modulo each data prime: [prime][2 * count] words, low before high. */
  readonly residues: readonly Uint32Array[]
  /** -round(t r / q) mod t, one element a coefficient. */
  readonly serverShare: RingVector
}

/** Fractional bits of t y / q_i: y has up to 60, so the sum is exact to 64 - log2(primes) bits. */
const FRACTION = 124n

/** The mask that `key` (16 bytes, secret, never used for another answer) gives to `count` coefficients. */
export function answerMask(
  params: HeParameters,
  key: Uint8Array,
  count: number,
  evaluator?: Pick<HeEvaluator, 'mask'>,
): AnswerMask {
  // A word is drawn again once in 2^33 or less often; then the whole mask is left to the slow path.
  const quick = count === 0 ? undefined : evaluator?.mask(firstWords(key, count * dataPrimes(params)))
  if (quick !== undefined) {
    return {
      residues: Array.from({ length: dataPrimes(params) }, (_, i) =>
        quick.residues.subarray(2 * i * count, 2 * (i + 1) * count),
      ),
      serverShare: share(params, count, quick.shares),
    }
  }
  const primes = primesOf(params).subarray(0, dataPrimes(params))
  const k = BigInt(params.plainBits)
  const q = primes.reduce((product, prime) => product * prime, 1n)
  const moduli = Array.from(primes, modulusOf)
  const highMasks = moduli.map((m) => 2 ** (m.bits - 32) - 1)
  const cofactors = Array.from(primes, (prime) => (q / prime) % prime)
  const scaled = Array.from(primes, (prime) => (1n << (k + FRACTION)) / prime)
  const residues = moduli.map(() => new BigUint64Array(count))
  const shares = new BigUint64Array(count)
  const draw = wordStream(key, count * primes.length)
  const half = 1n << (FRACTION - 1n)
  const y = new BigUint64Array(1)
  const [yWords] = [new Uint32Array(y.buffer)]
  for (let j = 0; j < count; j++) {
    let sum = half
    for (let i = 0; i < primes.length; i++) {
      const { low: ql, high: qh } = moduli[i]
      do {
        draw(yWords)
        yWords[1] &= highMasks[i]
      } while (yWords[1] > qh || (yWords[1] === qh && yWords[0] >= ql))
      sum += y[0] * scaled[i]
      residues[i][j] = (y[0] * cofactors[i]) % primes[i]
    }
    shares[j] = -(sum >> FRACTION) & ((1n << k) - 1n)
  }
  return {
    residues: residues.map((words) => new Uint32Array(words.buffer)),
    serverShare: share(params, count, new Uint32Array(shares.buffer)),
  }
}

/** A share from two words an element. */
function share({ plainBits }: HeParameters, count: number, wide: Uint32Array): RingVector {
  const r = ring(plainBits)
  return fromWords(r, count, r.stride === 2 ? wide : wide.filter((_, i) => i % 2 === 0))
}

/** The first 64-bit words of the key's stream. */
function firstWords(key: Uint8Array, count: number): Uint32Array {
  const bytes = new Prg(key).bytes(8 * count)
  return new Uint32Array(bytes.buffer, bytes.byteOffset, 2 * count)
}

/** Draws 64-bit words of the key's stream; `expected` sizes the first block. */
function wordStream(key: Uint8Array, expected: number): (into: Uint32Array) => void {
  const prg = new Prg(key)
  const block = (words: number): Uint32Array => {
    const bytes = prg.bytes(8 * words)
    return new Uint32Array(bytes.buffer, bytes.byteOffset, 2 * words)
  }
  let held = block(Math.max(1, expected))
  let at = 0
  return (into) => {
    if (at === held.length) {
      held = block(64)
      at = 0
    }
    into[0] = held[at]
    into[1] = held[at + 1]
    at += 2
  }
}

/** Key of answer `index` of a step whose mask key is `key`. */
export function answerKey(key: Uint8Array, index: number): Uint8Array {
  return derive(key, `he answer ${index}`)
}

/**
 * The server's whole output share of a step, [outChannels][OH][OW] over Z_2^plainBits, from the step's 16-byte
 * mask key alone: what HePool.evaluate returns, for simulators.
 */
export function stepMask(params: HeParameters, step: HeStep, key: Uint8Array): RingVector {
  const layout = layoutOf(step.geometry, step.tiling, params.polyDegree)
  const r = ring(params.plainBits)
  const elements = layout.geometry.outChannels * layout.outHeight * layout.outWidth
  const out = fromWords(r, elements, new Uint32Array(elements * r.stride))
  for (let index = 0; index < tileCount(layout) * layout.runs; index++) {
    const { serverShare } = answerMask(params, answerKey(key, index), resultCount(layout, index))
    placeShare(resultElements(layout, index), serverShare, out.words)
  }
  return out
}

/** Writes an answer's share into the words of the step's output. */
export function placeShare(elements: Uint32Array, share: RingVector, words: Uint32Array): void {
  const { stride } = share.ring
  for (let i = 0; i < elements.length; i++) {
    for (let w = 0; w < stride; w++) words[elements[i] * stride + w] = share.words[i * stride + w]
  }
}
