/**
 * HE parameters: BFV over Z_q[X] / (X^8192 + 1) with plaintext modulus t = 2^k, and how often the protocol's
 * rounding fails under them.
 *
 * SEAL's own table (HomomorphicEncryption.org standard, 128 bits, ternary secret) allows 218 bits of modulus at
 * N = 8192, key prime included. core/he/seal.ts asks SEAL to enforce it.
 */
import { checkPrimeSync } from 'node:crypto'
import { AdytonError } from '../errors/errors.ts'
import { convOutput } from '../ring/geometry.ts'
import { MAX_BITS, MIN_BITS } from '../ring/ring.ts'
import type { HeParameters, HeStep } from './types.ts'

/** N. */
export const POLY_DEGREE = 8192
/** Largest total modulus, key prime included, for 128-bit security at N = 8192 (SEAL's CoeffModulus::MaxBitCount). */
export const MAX_MODULUS_BITS = 218

/** What the rounding bound needs to know of a linear step. All of it is public. */
export interface RoundingDemand {
  /** Every integer weight has |w| < 2^weightBits. */
  readonly weightBits: number
  /** Products that are summed into one output element: inChannels / groups * kernelHeight * kernelWidth. */
  readonly taps: number
  /**
   * Output channels packed in an answer, tiling.outputs. The noise of an upload fills all N coefficients, so every
   * result collects it through the weights of all the channels packed beside it, not only through its own.
   */
  readonly outputs: number
  /** Output elements, for bounds over a whole network. */
  readonly elements: number
}

/**
 * Cheapest first: time and bytes grow with the number of data primes, then with their width. Two primes of 60 bits take
 * less time than three of 50, although primes of 50 bits suit the 52-bit multiplier of AVX-512 best.
 */
export const HE_PRIMES: readonly (readonly number[])[] = [
  [50, 50, 50],
  [54, 54, 54],
  [60, 60, 60],
  [54, 54, 54, 54],
]

/** Stands for every network we know when the caller has no layer list: 16 outputs of 512 channels 3x3, 12-bit weights. */
const DEFAULT_DEMAND: readonly RoundingDemand[] = [{ weightBits: 12, taps: 4608, outputs: 16, elements: 2 ** 20 }]

/** Default share of HE rounding in the 2^-20 that one inference may fail with: an eighth. */
export const ROUNDING_BUDGET = 2 ** -23

/** The demand of a linear step whose weights have |w| < 2^weightBits. */
export function roundingDemand({ geometry: g, tiling }: HeStep, weightBits: number): RoundingDemand {
  const { height, width } = convOutput(g)
  return {
    weightBits,
    taps: (g.inChannels / g.groups) * g.kernelHeight * g.kernelWidth,
    outputs: tiling.outputs,
    elements: g.outChannels * height * width,
  }
}

/**
 * The cheapest parameters for the ring Z_2^plainBits under which the rounding of all the given steps together
 * fails with probability at most `budget`. Without `demand`: 2 data primes of 50 bits up to k = 34, of 54 up to
 * k = 42, of 60 up to k = 54, and 3 of 54 bits above. Throws RangeError for a ring outside 2..59, AdytonError 'plan-invalid' when no
 * parameters of 128-bit security are wide enough.
 */
export function heParameters(
  plainBits: number,
  demand: readonly RoundingDemand[] = DEFAULT_DEMAND,
  budget: number = ROUNDING_BUDGET,
): HeParameters {
  if (!Number.isInteger(plainBits) || plainBits < MIN_BITS || plainBits > MAX_BITS) {
    throw new RangeError(`HE plaintexts are in Z_2^${MIN_BITS} to Z_2^${MAX_BITS}, got k = ${plainBits}`)
  }
  for (const primeBits of HE_PRIMES) {
    const params: HeParameters = { plainBits, polyDegree: POLY_DEGREE, primeBits }
    const failure = demand.reduce((sum, d) => sum + d.elements * roundingFailure(params, d), 0)
    if (failure <= budget) return params
  }
  throw new AdytonError(
    'plan-invalid',
    `no HE parameters of 128-bit security carry k = ${plainBits} for these layers`,
    {
      advice: 'Lower the width of the ring or the fractional bits of the weights.',
    },
  )
}

/**
 * Throws AdytonError 'plan-invalid' unless the parameters are among those this program would choose for some
 * network: a peer's plan must not steer the other party to weak or odd ones.
 */
export function checkParameters(params: HeParameters): void {
  const { plainBits, polyDegree, primeBits } = params
  const known = HE_PRIMES.some((c) => c.length === primeBits.length && c.every((b, i) => b === primeBits[i]))
  if (!Number.isInteger(plainBits) || plainBits < MIN_BITS || plainBits > MAX_BITS) {
    throw new AdytonError(
      'plan-invalid',
      `HE parameters: plaintext width ${plainBits} is not from ${MIN_BITS} to ${MAX_BITS}`,
    )
  }
  if (polyDegree !== POLY_DEGREE || !known) {
    throw new AdytonError(
      'plan-invalid',
      `HE parameters: degree ${polyDegree} with primes of ${primeBits.join(', ')} bits`,
      {
        advice: 'Use the parameters that heParameters() chooses.',
      },
    )
  }
}

const primeCache = new Map<string, BigUint64Array>()

/**
 * The coefficient primes q_0 .. q_(L-1) and the key prime, as SEAL's CoeffModulus::Create picks them: for each
 * width the largest primes that are 1 mod 2N, in ascending order. core/he/seal.ts checks SEAL agrees.
 */
export function primesOf(params: HeParameters): BigUint64Array {
  const key = `${params.polyDegree}/${params.primeBits.join()}`
  const known = primeCache.get(key)
  if (known !== undefined) return known
  const wanted = new Map<number, number>()
  for (const bits of params.primeBits) wanted.set(bits, (wanted.get(bits) ?? 0) + 1)
  const found = new Map<number, bigint[]>()
  const step = 2n * BigInt(params.polyDegree)
  for (const [bits, count] of wanted) {
    const list: bigint[] = []
    for (let value = (1n << BigInt(bits)) - step + 1n; list.length < count; value -= step) {
      if (checkPrimeSync(value)) list.push(value)
    }
    found.set(bits, list)
  }
  const primes = BigUint64Array.from(params.primeBits, (bits) => found.get(bits)!.pop()!)
  primeCache.set(key, primes)
  return primes
}

/** Primes of a fresh ciphertext: all but the key prime. */
export function dataPrimes(params: HeParameters): number {
  return params.primeBits.length - 1
}

/** q of a ciphertext with `count` primes, as a double (for bounds only). */
function modulus(params: HeParameters, count: number): number {
  let q = 1
  for (let i = 0; i < count; i++) q *= Number(primesOf(params)[i])
  return q
}

/**
 * Variance of SEAL's error distribution: centred binomial over 42 bits (popcount of 21 minus popcount of 21),
 * so |e| <= 21 and variance 21/2.
 */
const ERROR_VARIANCE = 10.5

/** Variance of d0 + d1*s with d0, d1 uniform in [-1/2, 1/2] per coefficient and s ternary (|s|^2 <= N): one rounding. */
function roundingVariance(n: number): number {
  return (n + 1) / 12
}

/** Switching an answer down may cost at most this per coefficient; see {@link answerPrimes}. */
const SWITCH_FAILURE = 2 ** -45

/** Primes an answer is sent with: data primes that a modulus switch would drop at negligible cost are dropped. */
export function answerPrimes(params: HeParameters): number {
  const t = 2 ** params.plainBits
  let count = dataPrimes(params)
  while (count > 1) {
    const failure = (2 * t * (Math.sqrt(roundingVariance(params.polyDegree)) + 1)) / modulus(params, count - 1)
    if (failure > SWITCH_FAILURE) break
    count--
  }
  return count
}

/**
 * Upper bound of the probability that one output element is wrong because of HE.
 *
 * An answer decrypts to the phase v = (q/t) m + e. The server adds r, uniform mod q, and keeps -round(t r / q);
 * the client computes round(t (v + r) / q). The two add up to m unless a rounding boundary lies between t r / q
 * and t r / q + t e / q. There are t boundaries over the q values of r, so for one e that happens with probability
 * at most t (|e| + 1) / q, or twice that when e may depend on r in sign (a modulus switch rounds c0 + r). As e is
 * independent of r otherwise, the probability over both is at most
 *
 *   2 t (E|e| + 1) / q,   E|e| <= sqrt(E e^2).
 *
 * The parts of e are uncorrelated and centred, so their variances add:
 * - the uploads' noise times the weights: (10.5 + 1/12) |w|_2^2, |w|_2^2 <= 4^weightBits taps outputs. 10.5 is SEAL's centred
 *   binomial error; 1/12 is the rounding of q m / t to an integer, uniform because the client's share m is uniform
 *   and q is odd. Since version 3.5 SEAL scales plaintexts by that rounding, not by floor(q / t), so a product that
 *   wraps mod t adds no (q mod t) term (test/unit/he-noise.test.ts measures it);
 * - the fresh public-key encryption of zero, after SEAL has divided it by the key prime: one rounding, plus less
 *   than 1 for its noise over the key prime;
 * - the modulus switch, where one is used: one rounding, at the smaller q.
 *
 * Added are the client's decryption, which SEAL does by base conversion to a 61-bit auxiliary prime (error below
 * 2^-57 near a boundary), and the server's 64 fractional bits.
 */
export function roundingFailure(
  params: HeParameters,
  { weightBits, taps, outputs }: Pick<RoundingDemand, 'weightBits' | 'taps' | 'outputs'>,
): number {
  const t = 2 ** params.plainBits
  const data = dataPrimes(params)
  const sent = answerPrimes(params)
  const rounding = roundingVariance(params.polyDegree)
  const products = (ERROR_VARIANCE + 1 / 12) * 4 ** weightBits * taps * outputs
  const before = (Math.sqrt(products + rounding + 1) + 1) / modulus(params, data)
  const after = sent < data ? (Math.sqrt(rounding) + 1) / modulus(params, sent) : 0
  return 2 * t * (before + after) + 2 ** -56
}
