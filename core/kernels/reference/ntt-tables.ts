/**
 * Tables of the ring Z_q[X] / (X^N + 1), q a product of primes that are 1 mod 2N, in the form that every
 * implementation of {@link HeKernels} reads.
 *
 * Root and order are Microsoft SEAL's: psi is the least primitive 2N-th root of unity, and place i of a transformed
 * polynomial is its value at psi^(2 bitrev(i) + 1).
 */
import type { HeRing } from '../interface.ts'

/** 64-bit words before the roots: q, floor(2^128 / q) low and high, 1/N, and the last inverse root over N, with quotients. */
const HEADER = 8

/** 64-bit words of one prime's tables: header, then N each of psi^bitrev(i), psi^-bitrev(i), either followed by its quotients. */
export function ringTableWords(degree: number): number {
  return HEADER + 4 * degree
}

export function power(base: bigint, exponent: bigint, q: bigint): bigint {
  let result = 1n
  for (let b = base, e = exponent; e > 0n; e >>= 1n, b = (b * b) % q) if (e & 1n) result = (result * b) % q
  return result
}

/** The least primitive 2N-th root of unity modulo a prime q = 1 mod 2N. */
function leastRoot(degree: number, q: bigint): bigint {
  const order = 2n * BigInt(degree)
  let root = 0n
  for (let g = 2n; root === 0n; g++) {
    const candidate = power(g, (q - 1n) / order, q)
    if (power(candidate, order / 2n, q) === q - 1n) root = candidate
  }
  const step = (root * root) % q
  let least = root
  for (let i = 1; i < degree; i++) {
    root = (root * step) % q
    if (root < least) least = root
  }
  return least
}

function reverse(index: number, bits: number): number {
  let out = 0
  for (let i = 0; i < bits; i++) out |= ((index >>> i) & 1) << (bits - 1 - i)
  return out
}

function primeTables(degree: number, q: bigint): BigUint64Array {
  if (q >= 1n << 61n || q <= 1n << 32n || (q - 1n) % (2n * BigInt(degree)) !== 0n) {
    throw new RangeError(`HE primes have 33 to 61 bits and are 1 mod ${2 * degree}, got ${q}`)
  }
  const quotient = (w: bigint): bigint => (w << 64n) / q
  const psi = leastRoot(degree, q)
  const tables = new BigUint64Array(ringTableWords(degree))
  const roots = tables.subarray(HEADER)
  const bits = Math.log2(degree)
  const fill = (at: number, base: bigint): void => {
    let value = 1n
    for (let i = 0; i < degree; i++, value = (value * base) % q) {
      const place = at + reverse(i, bits)
      roots[place] = value
      roots[place + degree] = quotient(value)
    }
  }
  fill(0, psi)
  fill(2 * degree, power(psi, q - 2n, q))
  const scale = power(BigInt(degree), q - 2n, q)
  const last = (scale * roots[2 * degree + 1]) % q
  const ratio = (1n << 128n) / q
  tables.set([q, BigInt.asUintN(64, ratio), ratio >> 64n, scale, quotient(scale), last, quotient(last)])
  return tables
}

/** Makes a ring; some milliseconds a prime. Throws RangeError for a degree or primes that no kernel takes. */
export function heRing(degree: number, primes: readonly bigint[]): HeRing {
  if (!Number.isInteger(Math.log2(degree)) || degree < 16 || degree > 65536) {
    throw new RangeError(`the degree of a HE ring is a power of two from 16 to 65536, got ${degree}`)
  }
  const size = ringTableWords(degree)
  const tables = new BigUint64Array(primes.length * size)
  primes.forEach((q, i) => tables.set(primeTables(degree, q), i * size))
  return { degree, primes, tables: new Uint32Array(tables.buffer) }
}
