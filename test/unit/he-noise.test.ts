/** The noise that core/he/parameters.ts bounds, measured on real ciphertexts through the secret key. */
import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { generateKeys, HeClient, type HeKeys } from '../../core/he/client.ts'
import { resultCoefficients, resultElements } from '../../core/he/encoding.ts'
import { layoutOf } from '../../core/he/layout.ts'
import { answerPrimes, POLY_DEGREE } from '../../core/he/parameters.ts'
import { HeContext } from '../../core/he/seal.ts'
import type { HeKernels } from '../../core/kernels/interface.ts'
import { HeServer } from '../../core/he/server.ts'
import { unpackAnswer } from '../../core/he/wire.ts'
import { chooseTiling } from '../../core/he/tiling.ts'
import type { HeParameters } from '../../core/he/types.ts'
import { Prg } from '../../core/ring/prg.ts'
import { ring } from '../../core/ring/ring.ts'
import { elementAt } from '../../core/ring/vector.ts'
import {
  directConv,
  EVALUATORS,
  geometry,
  inputLength,
  phase,
  transformed,
  weightLength,
} from '../fixtures/he-reference.ts'

const g = geometry({
  inChannels: 16,
  outChannels: 4,
  inHeight: 16,
  inWidth: 16,
  kernelHeight: 3,
  kernelWidth: 3,
  padding: 1,
})
const layout = layoutOf(g, chooseTiling(g, POLY_DEGREE), POLY_DEGREE)

/** What {@link measure} finds: e of phase = (q/t) m + e, and the deviation it predicts. */
interface Measured {
  readonly rms: number
  readonly worst: number
  readonly expected: number
}

class Bench {
  readonly params: HeParameters
  client!: HeContext
  server!: HeContext
  keys!: HeKeys
  constructor(params: HeParameters) {
    this.params = params
  }
  async open(): Promise<this> {
    this.client = await HeContext.create(this.params, 'client')
    this.server = await HeContext.create(this.params, 'server')
    this.keys = generateKeys(this.client)
    return this
  }

  /** Runs the layer unmasked with weights of exactly +-2^(bits-1) and takes the noise of every result. */
  measure(weightBits: number, kernels: HeKernels | undefined): Measured {
    const { params } = this
    const client = new HeClient(this.client, this.keys.secretKey)
    const server = new HeServer(this.server, this.keys.publicKey, kernels)
    const share = new Prg(randomBytes(16)).vector(ring(params.plainBits), inputLength(g))
    const signs = randomBytes(weightLength(g))
    const size = 2 ** (weightBits - 1)
    const weights = Int32Array.from(signs, (byte) => (byte & 1 ? size : -size))
    const want = directConv(share, weights, g)
    const inputs = transformed(
      server,
      Array.from({ length: layout.blocks }, (_, i) => client.encrypt(layout, share, i)),
    )
    const noise: number[] = []
    const t = 1n << BigInt(params.plainBits)
    for (let run = 0; run < layout.runs; run++) {
      const key = new Uint8Array(16)
      const [answer] = server.answer(layout, weights, run, { start: 0, end: 1 }, inputs, key, {
        skipMask: true,
      })
      const coefficients = resultCoefficients(layout, run)
      const buffer = this.client.ciphertextBuffer('answer', false)
      unpackAnswer(this.client, answer.bytes, coefficients, buffer.words, 'answer')
      const { q, values } = phase(this.client, this.keys.secretKey, buffer.words, 'answer', coefficients)
      const elements = resultElements(layout, run)
      values.forEach((value, i) => {
        // e = phase - q m / t, taken to the nearest multiple of q; scaled by t to stay an integer.
        let e = (t * value - q * elementAt(want, elements[i])) % (q * t)
        if (e > (q * t) / 2n) e -= q * t
        if (e < -(q * t) / 2n) e += q * t
        noise.push(Number(e / t))
      })
    }
    client.delete()
    server.delete()
    const fresh = 10.5 + 1 / 12
    const zero = (POLY_DEGREE * (2 / 3) + 1) / 12
    return {
      // Of all results: neighbours are alike, and of every seventh this strays twice as far, 0.055 from run to run.
      rms: Math.sqrt(noise.reduce((sum, e) => sum + e * e, 0) / noise.length),
      worst: noise.reduce((max, e) => Math.max(max, Math.abs(e)), 0),
      expected: Math.sqrt(fresh * size * size * 144 * layout.tiling.outputs + zero),
    }
  }
}

const wide = new Bench({ plainBits: 59, polyDegree: POLY_DEGREE, primeBits: [60, 60, 60] })
const three = new Bench({ plainBits: 59, polyDegree: POLY_DEGREE, primeBits: [54, 54, 54, 54] })
const switched = new Bench({ plainBits: 57, polyDegree: POLY_DEGREE, primeBits: [54, 54, 54, 54] })

beforeAll(async () => {
  await Promise.all([wide.open(), three.open(), switched.open()])
})

afterAll(() => {
  for (const bench of [wide, three, switched]) {
    bench.client.delete()
    bench.server.delete()
  }
})

describe('noise of an answer', () => {
  // If products that wrap mod t left (q mod t) times the number of wraps, e would be near 2^59 * 2^weightBits.
  test.each([2, 12, 24, 30])(
    'at k = 59 is what the weights make of the uploads noise: %i-bit weights',
    (weightBits) => {
      for (const bench of [wide, three]) {
        for (const kernels of EVALUATORS) {
          const { rms, worst, expected } = bench.measure(weightBits, kernels)
          expect(rms).toBeLessThan(1.15 * expected)
          // Border pixels meet fewer weights; a bound that is far too wide would hide a change of SEAL's noise.
          expect(rms).toBeGreaterThan(0.7 * expected)
          expect(worst).toBeLessThan(7 * expected)
        }
      }
    },
  )

  test('after a modulus switch is one rounding', () => {
    expect(answerPrimes(switched.params)).toBe(2)
    for (const kernels of EVALUATORS) {
      const { rms, worst } = switched.measure(12, kernels)
      const rounding = Math.sqrt((POLY_DEGREE + 1) / 12)
      expect(rms).toBeLessThan(1.1 * rounding)
      expect(rms).toBeGreaterThan(0.5 * rounding)
      expect(worst).toBeLessThan(7 * rounding)
    }
  })
})
