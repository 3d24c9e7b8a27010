/**
 * Function privacy of answers: what the client sees under two different weight sets must look the same, and each
 * defence must be what makes it so. Every test has a counterpart that switches the defence off and must then see
 * the weights.
 */
import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { generateKeys, HeClient, type HeKeys } from '../../core/he/client.ts'
import { encodeWeights, resultCoefficients } from '../../core/he/encoding.ts'
import { layoutOf, type Layout } from '../../core/he/layout.ts'
import { answerPrimes, POLY_DEGREE, primesOf } from '../../core/he/parameters.ts'
import { HeContext, release } from '../../core/he/seal.ts'
import type { HeKernels } from '../../core/kernels/interface.ts'
import { HeServer, type Answer, type UnsafeOptions } from '../../core/he/server.ts'
import { answerBytes, unpackAnswer } from '../../core/he/wire.ts'
import type { HeParameters } from '../../core/he/types.ts'
import { Prg } from '../../core/ring/prg.ts'
import { ring, type RingVector } from '../../core/ring/ring.ts'
import { zeros } from '../../core/ring/vector.ts'
import {
  bigints,
  EVALUATORS,
  geometry,
  inputLength,
  phase,
  transformed,
  weightLength,
} from '../fixtures/he-reference.ts'

/** Two primes and no modulus switch; three primes with one. */
const sets: readonly HeParameters[] = [
  { plainBits: 32, polyDegree: POLY_DEGREE, primeBits: [54, 54, 54] },
  { plainBits: 57, polyDegree: POLY_DEGREE, primeBits: [54, 54, 54, 54] },
]

class Parties {
  readonly params: HeParameters
  readonly kernels: HeKernels | undefined
  clientContext!: HeContext
  serverContext!: HeContext
  keys!: HeKeys
  client!: HeClient
  server!: HeServer
  constructor(params: HeParameters, kernels: HeKernels | undefined) {
    this.params = params
    this.kernels = kernels
  }
  async open(): Promise<void> {
    this.clientContext = await HeContext.create(this.params, 'client')
    this.serverContext = await HeContext.create(this.params, 'server')
    this.keys = generateKeys(this.clientContext)
    this.client = new HeClient(this.clientContext, this.keys.secretKey)
    this.server = new HeServer(this.serverContext, this.keys.publicKey, this.kernels)
  }
  close(): void {
    for (const held of [this.client, this.server, this.clientContext, this.serverContext]) held.delete()
  }
  upload(layout: Layout, share: RingVector): Uint8Array[] {
    return Array.from({ length: layout.blocks }, (_, i) => this.client.encrypt(layout, share, i))
  }
  answers(layout: Layout, uploads: Uint8Array[], weights: Int32Array, unsafe: UnsafeOptions): Answer[] {
    const inputs = transformed(this.server, uploads)
    const key = new Uint8Array(randomBytes(16))
    return Array.from({ length: layout.runs }, (_, run) =>
      this.server.answer(layout, weights, run, { start: 0, end: 1 }, inputs, key, unsafe),
    ).flat()
  }
  /** The answer as the client rebuilds it, [2][primes][N]; coefficients that were not sent are zero. */
  received(layout: Layout, { index, bytes }: Answer): Uint32Array {
    const buffer = this.clientContext.ciphertextBuffer('answer', false)
    unpackAnswer(this.clientContext, bytes, resultCoefficients(layout, index), buffer.words, 'answer')
    return buffer.words
  }
}

const parties = sets.flatMap((params) => EVALUATORS.map((kernels) => new Parties(params, kernels)))
beforeAll(async () => {
  for (const pair of parties) await pair.open()
})
afterAll(() => {
  for (const pair of parties) pair.close()
})

function randomWeights(length: number, bits: number): Int32Array {
  return new Int32Array(new Uint8Array(randomBytes(4 * length)).buffer).map((w) => w >> (31 - bits))
}

describe('the second polynomial of an answer', () => {
  const g = geometry({ inChannels: 8, outChannels: 12, inHeight: 16, inWidth: 16, kernelHeight: 3, kernelWidth: 3 })
  const layout = layoutOf(g, { channels: 4, outputs: 4, height: 16, width: 16 }, POLY_DEGREE)
  const [pair] = parties

  /** Sent c1 minus sum of w * c1 of the uploads, all of which the client would know if it guessed the weights. */
  function remainders(unsafe: UnsafeOptions): bigint[][] {
    const { clientContext: context, params } = pair
    const share = new Prg(randomBytes(16)).vector(ring(params.plainBits), inputLength(g))
    const weights = randomWeights(weightLength(g), 10)
    const uploads = pair.upload(layout, share)
    const answers = pair.answers(layout, uploads, weights, unsafe)
    const { seal, evaluator } = context
    const signed = new Int32Array(POLY_DEGREE)
    return answers.map((answer) => {
      const sum = new seal.Ciphertext()
      uploads.forEach((upload, block) => {
        const words = pair.server.transform(upload, block)
        const buffer = context.ciphertextBuffer('data', true)
        buffer.words.set(words)
        const input = new seal.Ciphertext()
        input.loadFromArray(context.context, buffer.bytes)
        encodeWeights(layout, weights, answer.index, block, signed)
        const plain = context.plainBuffer()
        signed.forEach((w, i) => {
          const residue = BigInt.asUintN(params.plainBits, BigInt(w))
          plain.words[2 * i] = Number(residue & 0xffffffffn)
          plain.words[2 * i + 1] = Number(residue >> 32n)
        })
        const factor = new seal.Plaintext()
        factor.loadFromArray(context.context, plain.bytes)
        evaluator.plainTransformToNttInplace(factor, context.parmsId('data'))
        evaluator.multiplyPlainInplace(input, factor)
        if (block === 0) sum.assign(input)
        else evaluator.addInplace(sum, input)
        release(input, factor)
      })
      evaluator.cipherTransformFromNttInplace(sum)
      const known = bigints(context.ciphertextWords(sum))
      sum.delete()
      const sent = bigints(pair.received(layout, answer))
      const half = sent.length / 2
      return sent.slice(half).map((value, i) => value - known[half + i])
    })
  }

  test('is the known combination of the uploads when nothing is re-randomised', () => {
    for (const difference of remainders({ skipRerandomise: true })) expect(difference.every((d) => d === 0n)).toBe(true)
  })

  test('is unrelated to it otherwise, afresh in every answer', () => {
    const found = remainders({})
    expect(found).toHaveLength(3)
    const seen = new Set<bigint>()
    for (const difference of found) {
      // A coefficient agrees by chance once in 2^54.
      expect(difference.filter((d) => d === 0n)).toHaveLength(0)
      for (const d of difference) seen.add(d)
    }
    // One encryption of zero that served two answers would repeat all of its coefficients.
    expect(seen.size).toBe(found.length * found[0].length)
  })
})

describe('the phase that the client computes', () => {
  // One channel of 64x128 pixels into 14 outputs: every coefficient of every answer carries a result.
  const g = geometry({ inHeight: 64, inWidth: 128, outChannels: 14 })
  const layout = layoutOf(g, { channels: 1, outputs: 1, height: 1, width: POLY_DEGREE }, POLY_DEGREE)
  /** Weight sets that differ in size and sign as much as they can. */
  const small = new Int32Array(14).fill(1)
  const large = new Int32Array(14).fill(-(2 ** 20))

  interface Seen {
    /** Phases over q in [0, 1), times 2^128. */
    readonly fractions: bigint[]
    /** The same modulo each prime alone, over the prime, times 2^128: a prime that is not masked would show here. */
    readonly byPrime: bigint[][]
  }

  /** What the client computes for a share of zeros, the one that shows the noise best. */
  function phases(pair: Parties, weights: Int32Array, unsafe: UnsafeOptions): Seen {
    const share = zeros(ring(pair.params.plainBits), inputLength(g))
    const answers = pair.answers(layout, pair.upload(layout, share), weights, unsafe)
    const primes = [...primesOf(pair.params).subarray(0, answerPrimes(pair.params))]
    const q = primes.reduce((product, prime) => product * prime)
    const values = answers.flatMap((answer) => {
      const at = resultCoefficients(layout, answer.index)
      const words = pair.received(layout, answer)
      return phase(pair.clientContext, pair.keys.secretKey, words, 'answer', at).values.map((v) => (v < 0n ? v + q : v))
    })
    return {
      fractions: values.map((value) => (value << 128n) / q),
      byPrime: primes.map((prime) => values.map((value) => ((value % prime) << 128n) / prime)),
    }
  }

  function histogram(values: bigint[], shift: bigint): Float64Array {
    const bins = new Float64Array(256)
    for (const value of values) bins[Number((value >> shift) & 255n)]++
    return bins
  }

  function againstUniform(bins: Float64Array, count: number): number {
    return bins.reduce((sum, n) => sum + (n - count / 256) ** 2 / (count / 256), 0)
  }

  function againstEachOther(a: Float64Array, b: Float64Array): number {
    return a.reduce((sum, n, i) => sum + (n + b[i] === 0 ? 0 : (n - b[i]) ** 2 / (n + b[i])), 0)
  }

  /** 255 degrees of freedom: mean 255, standard deviation 22.6. Passed by chance less than once in 10^9. */
  const LIMIT = 420

  test.each([...parties.keys()])('is uniform whatever the weights (parties %i)', (set) => {
    const [a, b] = [small, large].map((weights) => phases(parties[set], weights, {}))
    expect(a.fractions.length).toBeGreaterThanOrEqual(100_000)
    const compare = (one: bigint[], other: bigint[], shift: bigint): void => {
      const [x, y] = [histogram(one, shift), histogram(other, shift)]
      expect(againstUniform(x, one.length)).toBeLessThan(LIMIT)
      expect(againstUniform(y, other.length)).toBeLessThan(LIMIT)
      expect(againstEachOther(x, y)).toBeLessThan(LIMIT)
    }
    for (const shift of [120n, 112n, 64n, 24n]) compare(a.fractions, b.fractions, shift)
    for (const i of a.byPrime.keys()) compare(a.byPrime[i], b.byPrime[i], 120n)
  })

  test.each([...parties.keys()])(
    'gives the weights away through its noise when it is not masked (parties %i)',
    (set) => {
      const [a, b] = [small, large].map((weights) => phases(parties[set], weights, { skipMask: true }).fractions)
      expect(againstUniform(histogram(a, 120n), a.length)).toBeGreaterThan(100 * LIMIT)
      const size = (values: bigint[]): number =>
        values.reduce((sum, v) => sum + Math.abs(Number(BigInt.asIntN(128, v))), 0) / values.length
      // After a modulus switch the rounding is larger than the noise of these weights; before it they stand out.
      if (parties[set].params === sets[0]) expect(size(b) / size(a)).toBeGreaterThan(1000)
    },
  )
})

test('an answer carries the results of its first polynomial and nothing else of it', () => {
  const g = geometry({
    inChannels: 4,
    outChannels: 2,
    inHeight: 20,
    inWidth: 20,
    kernelHeight: 3,
    kernelWidth: 3,
    stride: 2,
  })
  const layout = layoutOf(g, { channels: 4, outputs: 2, height: 19, width: 19 }, POLY_DEGREE)
  const [pair] = parties
  const share = new Prg(randomBytes(16)).vector(ring(pair.params.plainBits), inputLength(g))
  const [answer] = pair.answers(layout, pair.upload(layout, share), randomWeights(weightLength(g), 10), {})
  const results = 2 * 9 * 9
  expect(resultCoefficients(layout, 0)).toHaveLength(results)
  const c1 = 2 * POLY_DEGREE * 54
  expect(answer.bytes.length).toBe((c1 + 2 * Math.ceil((results * 54) / 8) * 8) / 8)
  expect(answerBytes(pair.params, results)).toBe(answer.bytes.length)
})
