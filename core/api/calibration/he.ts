/** Costs of the linear layers under HE, for one choice of primes. */
import { randomBytes, randomFillSync } from 'node:crypto'
import { layoutOf, type Layout } from '../../he/layout.ts'
import { dataPrimes, POLY_DEGREE } from '../../he/parameters.ts'
import { HePool, type HeKeys } from '../../he/pool.ts'
import { HeContext } from '../../he/seal.ts'
import { HeServer } from '../../he/server.ts'
import { HeShape } from '../../he/shape.ts'
import type { HeParameters, HeStep } from '../../he/types.ts'
import { loadKernels, referenceKernels } from '../../kernels/index.ts'
import { ring } from '../../ring/ring.ts'
import { fromWords } from '../../ring/vector.ts'
import type { HeCosts } from './costs.ts'
import { least, leastOfEach, type Timing } from './timing.ts'

/** Output side of a tile, channels of an upload of it and output channels of an answer: 7776 of 8192 coefficients. */
const SIDE = 16
const CHANNELS = 6
const OUTPUTS = 4
/** Uploads and answers of the step that the client is measured with. */
const CIPHERTEXTS = 16
/** Uploads of a tile in a small sum of products and a large one, and tiles. */
const FEW = 8
const BLOCKS = 32
const TILES = 4

/** A 3x3 convolution of `blocks` uploads a tile and `runs` answers a tile. */
function stepOf(blocks: number, runs: number, tiles: number): HeStep {
  const [height, width] = [SIDE + 2, SIDE * tiles + 2]
  return {
    geometry: {
      ...{ inChannels: CHANNELS * blocks, inHeight: height, inWidth: width, outChannels: OUTPUTS * runs },
      ...{ kernelHeight: 3, kernelWidth: 3, stride: 1, padding: 0, groups: 1 },
    },
    tiling: { channels: CHANNELS, outputs: OUTPUTS, height, width: SIDE + 2 },
  }
}

/** Of 13 bits. */
const weightsFor = (blocks: number, runs: number): Int32Array =>
  randomFillSync(new Int32Array(CHANNELS * blocks * OUTPUTS * runs * 9)).map((w) => w >> 19)

export async function heCosts(params: HeParameters, timing: Timing): Promise<HeCosts> {
  // The kernels that the parties would load; without native ones a server takes node-seal's evaluator.
  const client = await HePool.create(1)
  const server = await HePool.create(0)
  try {
    const keys = await client.generateKeys(params)
    const threads = await threadCosts(client, server, params, keys, timing)
    const parts = await serverCosts(params, keys, threads.upload, timing)
    return {
      encrypt: threads.encrypt / CIPHERTEXTS,
      decrypt: threads.decrypt / CIPHERTEXTS,
      ...parts,
    }
  } finally {
    await Promise.all([client.close(), server.close()])
  }
}

/** The client's part of a whole step on a thread, as a party has it. */
async function threadCosts(client: HePool, server: HePool, params: HeParameters, keys: HeKeys, timing: Timing) {
  const step = stepOf(CIPHERTEXTS, CIPHERTEXTS, 1)
  const { inChannels, inHeight, inWidth } = step.geometry
  const r = ring(params.plainBits)
  const length = inChannels * inHeight * inWidth
  const share = fromWords(r, length, new Uint32Array(length * r.stride).fill(1))
  const weights = weightsFor(CIPHERTEXTS, CIPHERTEXTS)
  const encrypt = (): Promise<Uint8Array[]> => client.encrypt(params, keys.secretKey, step, share)
  const uploads = await encrypt()
  const { answers } = await server.evaluate(params, keys.publicKey, step, weights, uploads, randomBytes(16))
  const decrypt = (): Promise<unknown> => client.decrypt(params, keys.secretKey, step, answers)
  await decrypt()
  return { upload: uploads[0], encrypt: await least(encrypt, timing), decrypt: await least(decrypt, timing) }
}

/** Each operation of the server for itself, in this thread. */
async function serverCosts(params: HeParameters, { publicKey }: HeKeys, upload: Uint8Array, timing: Timing) {
  const kernels = loadKernels()
  const native = kernels === referenceKernels ? undefined : kernels.he
  const context = native === undefined ? await HeContext.create(params, 'server') : undefined
  const server = new HeServer(context ?? new HeShape(params, native), publicKey, native)
  try {
    const uploadMs = await least(() => server.transform(upload, 0), timing)
    const words = residues(params, BLOCKS * TILES)
    const maskKey = randomBytes(16)
    let batch = -1
    const answer = (blocks: number, tiles: number) => {
      const step = stepOf(blocks, 1, tiles)
      const layout: Layout = layoutOf(step.geometry, step.tiling, params.polyDegree)
      const weights = weightsFor(blocks, 1)
      const size = words.length / BLOCKS / TILES
      const inputs = { batch: --batch, words: words.subarray(0, size * blocks * tiles) }
      return () => server.answer(layout, weights, 0, { start: 0, end: tiles }, inputs, maskKey)
    }
    // blocks * (weights + tiles * product) + tiles * answer: in differences the answers cancel out.
    const sums = [answer(FEW, 1), answer(BLOCKS, 1), answer(FEW, TILES), answer(BLOCKS, TILES)]
    const [short, long, shortWide, longWide] = await leastOfEach(sums, timing)
    const narrow = (long - short) / (BLOCKS - FEW)
    const wide = (longWide - shortWide) / (BLOCKS - FEW)
    const both = Math.max(0, narrow)
    const product = Math.min(both, Math.max(0, (wide - narrow) / (TILES - 1)))
    return { upload: uploadMs, weights: both - product, product, answer: Math.max(0, short - FEW * both) }
  } finally {
    server.delete()
    context?.delete()
  }
}

/** Uploads in NTT form, [count][2][primes][N]: residues below every prime. */
function residues(params: HeParameters, count: number): Uint32Array {
  const primes = dataPrimes(params)
  const words = randomFillSync(new Uint32Array(4 * count * primes * POLY_DEGREE))
  const high = 2 ** (Math.min(...params.primeBits) - 33) - 1
  for (let i = 1; i < words.length; i += 2) words[i] &= high
  return words
}
