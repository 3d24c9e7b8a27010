/** A whole linear step under SEAL against direct convolution, for random geometries and all kinds of parameters. */
import fc from 'fast-check'
import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { stepMask } from '../../core/he/mask.ts'
import { generateKeys, HeClient } from '../../core/he/client.ts'
import { resultElements } from '../../core/he/encoding.ts'
import { layoutOf, tileCount } from '../../core/he/layout.ts'
import { placeShare } from '../../core/he/mask.ts'
import { heParameters, POLY_DEGREE } from '../../core/he/parameters.ts'
import { HeContext } from '../../core/he/seal.ts'
import { HeServer, type UnsafeOptions } from '../../core/he/server.ts'
import { chooseTiling } from '../../core/he/tiling.ts'
import type { HeParameters, HeStep } from '../../core/he/types.ts'
import { convOutput } from '../../core/ring/geometry.ts'
import { Prg } from '../../core/ring/prg.ts'
import { ring, type RingVector } from '../../core/ring/ring.ts'
import { add, equal, zeros } from '../../core/ring/vector.ts'
import { directConv, EVALUATORS, geometry, inputLength, transformed, weightLength } from '../fixtures/he-reference.ts'

interface Pair {
  readonly params: HeParameters
  readonly client: HeClient
  readonly server: HeServer
  /** The same on node-seal. */
  readonly fallback: { readonly client: HeClient; readonly server: HeServer }
  readonly contexts: readonly HeContext[]
}

const pairs: Pair[] = []

beforeAll(async () => {
  for (const params of [
    heParameters(20),
    heParameters(32),
    heParameters(37),
    heParameters(57),
    heParameters(59),
    { plainBits: 59, polyDegree: POLY_DEGREE, primeBits: [60, 60, 60] },
  ]) {
    const context = await HeContext.create(params, 'client')
    const keys = generateKeys(context)
    const serverContext = await HeContext.create(params, 'server')
    const [ours, theirs] = [EVALUATORS[0], undefined].map((kernels) => ({
      client: new HeClient(context, keys.secretKey, kernels),
      server: new HeServer(serverContext, keys.publicKey, kernels),
    }))
    pairs.push({ params, ...ours, fallback: theirs, contexts: [context, serverContext] })
  }
})

afterAll(() => {
  for (const { client, server, fallback, contexts } of pairs) {
    for (const held of [client, server, fallback.client, fallback.server, ...contexts]) held.delete()
  }
})

interface Outcome {
  readonly client: RingVector
  readonly server: RingVector
}

/** One step in this thread, every tile and run. */
function runStep(
  { params, client, server }: Pick<Pair, 'params' | 'client' | 'server'>,
  step: HeStep,
  share: RingVector,
  weights: Int32Array,
  key: Uint8Array,
  unsafe: UnsafeOptions = {},
): Outcome {
  const g = step.geometry
  const layout = layoutOf(g, step.tiling, params.polyDegree)
  const tiles = tileCount(layout)
  const inputs = transformed(
    server,
    Array.from({ length: tiles * layout.blocks }, (_, i) => client.encrypt(layout, share, i)),
  )
  const { height, width } = convOutput(g)
  const [mine, theirs] = [0, 1].map(() => zeros(share.ring, g.outChannels * height * width))
  for (let run = 0; run < layout.runs; run++) {
    const range = { start: 0, end: tiles }
    for (const answer of server.answer(layout, weights, run, range, inputs, key, unsafe)) {
      client.decrypt(layout, answer.bytes, answer.index, mine)
      placeShare(resultElements(layout, answer.index), answer.share, theirs.words)
    }
  }
  return { client: mine, server: theirs }
}

const dims = fc.record({
  groups: fc.integer({ min: 1, max: 3 }),
  channels: fc.integer({ min: 1, max: 8 }),
  outputs: fc.integer({ min: 1, max: 6 }),
  inHeight: fc.integer({ min: 1, max: 24 }),
  inWidth: fc.integer({ min: 1, max: 24 }),
  kernelHeight: fc.integer({ min: 1, max: 4 }),
  kernelWidth: fc.integer({ min: 1, max: 4 }),
  stride: fc.integer({ min: 1, max: 3 }),
  padding: fc.integer({ min: 0, max: 2 }),
})

describe('a linear step', () => {
  test('gives shares that add up to the convolution', () => {
    const property = fc.property(dims, fc.nat({ max: 5 }), fc.constantFrom(1, 8, 16), (d, which, bits) => {
      const { groups, channels, outputs, ...rest } = d
      fc.pre(d.kernelHeight <= d.inHeight + 2 * d.padding && d.kernelWidth <= d.inWidth + 2 * d.padding)
      const g = geometry({ ...rest, groups, inChannels: groups * channels, outChannels: groups * outputs })
      const pair = pairs[which]
      const step = { geometry: g, tiling: chooseTiling(g, POLY_DEGREE) }
      const share = new Prg(randomBytes(16)).vector(ring(pair.params.plainBits), inputLength(g))
      const random = new Int32Array(new Uint8Array(randomBytes(4 * weightLength(g))).buffer)
      const weights = random.map((w) => w >> (31 - bits))
      const key = new Uint8Array(randomBytes(16))
      const want = directConv(share, weights, g)
      const masked = runStep(pair, step, share, weights, key)
      expect(equal(add(masked.client, masked.server), want)).toBe(true)
      expect(equal(masked.client, want)).toBe(false)
      expect(equal(stepMask(pair.params, step, key), masked.server)).toBe(true)
      const other = runStep({ ...pair, server: pair.fallback.server }, step, share, weights, key)
      expect(equal(add(other.client, masked.server), want)).toBe(true)
      const third = runStep({ ...pair, client: pair.fallback.client }, step, share, weights, key)
      expect(equal(add(third.client, masked.server), want)).toBe(true)
      // Unmasked, the decryption is the result itself.
      expect(equal(runStep(pair, step, share, weights, key, { skipMask: true }).client, want)).toBe(true)
    })
    fc.assert(property, { numRuns: 24 })
  })

  test('is evaluated by our kernels as by SEAL, bit for bit', () => {
    const g = geometry({ inChannels: 10, inHeight: 16, inWidth: 16, outChannels: 3, kernelHeight: 3, kernelWidth: 3 })
    const step = { geometry: g, tiling: { channels: 1, outputs: 2, height: 16, width: 9 } }
    const layout = layoutOf(g, step.tiling, POLY_DEGREE)
    const range = { start: 0, end: tileCount(layout) }
    // One of each kind: two and three primes, with and without a modulus switch.
    for (const { params, client, server, fallback } of [pairs[0], ...pairs.slice(3)]) {
      const share = new Prg(randomBytes(16)).vector(ring(params.plainBits), inputLength(g))
      const weights = new Int32Array(new Uint8Array(randomBytes(4 * weightLength(g))).buffer)
      const uploads = Array.from({ length: range.end * layout.blocks }, (_, i) => client.encrypt(layout, share, i))
      const key = new Uint8Array(randomBytes(16))
      const [ours, theirs] = [server, fallback.server].map((one) => {
        const inputs = transformed(one, uploads)
        const answers = Array.from({ length: layout.runs }, (_, run) =>
          one.answer(layout, weights, run, range, inputs, key, { skipRerandomise: true }),
        )
        return { words: inputs.words, answers: answers.flat() }
      })
      expect(Buffer.compare(Buffer.from(ours.words.buffer), Buffer.from(theirs.words.buffer))).toBe(0)
      expect(ours.answers).toEqual(theirs.answers)
    }
  })

  test('that needs several tiles, and one whose weights are all zero', () => {
    const g = geometry({
      inHeight: 120,
      inWidth: 100,
      outChannels: 2,
      kernelHeight: 5,
      kernelWidth: 3,
      stride: 2,
      padding: 1,
    })
    const step = { geometry: g, tiling: chooseTiling(g, POLY_DEGREE) }
    expect(tileCount(layoutOf(g, step.tiling, POLY_DEGREE))).toBeGreaterThan(1)
    const pair = pairs[2]
    const share = new Prg(randomBytes(16)).vector(ring(pair.params.plainBits), inputLength(g))
    for (const weight of [-3, 0, 2 ** 31 - 1]) {
      const weights = new Int32Array(weightLength(g)).fill(weight)
      const { client, server } = runStep(pair, step, share, weights, new Uint8Array(randomBytes(16)))
      expect(equal(add(client, server), directConv(share, weights, g))).toBe(true)
    }
  })
})
