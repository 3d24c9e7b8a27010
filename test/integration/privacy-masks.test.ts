/**
 * What the server receives says nothing about the image: masked image, corrections, output colours, and all shares
 * that it computes from them. Controls run the same code with the client's masks taken away, and must be found out.
 */
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { loadKernels } from '../../core/kernels/index.ts'
import type { Kernels } from '../../core/kernels/interface.ts'
import { joinBits } from '../../core/kernels/reference/bits.ts'
import { quantiseInput } from '../../core/network/fixed.ts'
import type { ActivationStep, Plan } from '../../core/network/plan.ts'
import { splitActivation } from '../../core/protocol/batches.ts'
import { simulate } from '../../core/protocol/simulator.ts'
import { pack } from '../../core/ring/packing.ts'
import { ring, type RingVector } from '../../core/ring/ring.ts'
import { fromWords } from '../../core/ring/vector.ts'
import { startParties, type Parties } from '../fixtures/parties.ts'
import { Recording, recording } from '../fixtures/recorder.ts'
import {
  bitwiseDistance,
  CHI_SQUARE_LIMIT,
  chiSquare,
  concat,
  differences,
  DISTANCE_LIMIT,
  twoSampleChiSquare,
  xor,
} from '../fixtures/statistics.ts'
import { DENSE, tinyModel } from '../fixtures/tiny-networks.ts'
import { weakened, type Weakness } from '../fixtures/weaken.ts'

vi.mock('../../core/ring/prg.ts', async (original) => (await import('../fixtures/weaken.ts')).weakPrg(await original()))

const model = tinyModel(DENSE, 0.5)
const { plan } = model
const step = plan.steps.find((one) => one.op === 'activation') as ActivationStep
const { kept, linear } = splitActivation(plan, step)

/** Two images that have nothing in common: all black, and a ramp up to white. */
const black = quantiseInput(plan, new Float32Array(32).fill(-1))
const ramp = quantiseInput(
  plan,
  Float32Array.from({ length: 32 }, (_, i) => i / 31),
)

/** One inference as the server sees it. */
interface View {
  /** Every frame of the client's, by type. */
  readonly sent: Recording
  readonly maskedInput: Uint8Array
  readonly delta: Uint8Array
  /** Colours as they are sent. */
  readonly colours: Uint8Array
  /** The server's new share of the kept positions: colours and its decode bits together. */
  readonly decoded: Uint8Array
  /** All shares that the server holds in the end, packed. */
  readonly shares: Uint8Array
}

const wire = new Recording()
let decodeBits: Uint8Array[] = []
/** Decode bits never leave the garbler; the kernels see them. */
const kernels: Kernels = {
  ...loadKernels(),
  garble(input) {
    const output = loadKernels().garble(input)
    decodeBits.push(output.decode.slice())
    return output
  },
}

let parties: Parties
beforeAll(async () => {
  parties = await startParties(model, { kernels, wrapClient: (channel) => recording(channel, wire) })
})
afterAll(() => parties.close())

async function view(image: Float64Array): Promise<View> {
  wire.take()
  decodeBits = []
  const { id, seed } = await parties.client.prepare()
  await parties.client.infer(id, image)
  const sent = wire.take()
  sent.frames = sent.frames.filter(({ direction }) => direction === 'sent')
  const made = parties.served.find((one) => one.packageId === id && one.seed !== undefined)
  const { server } = simulate(kernels, model, image, seed as Uint8Array, made?.seed as Uint8Array)
  return {
    sent,
    maskedInput: sent.bytes('maskedInput'),
    delta: sent.bytes('delta'),
    colours: sent.bytes('colours'),
    decoded: pack(decode(plan, sent.bytes('colours'))),
    shares: concat(plan.values.map((_, value) => pack(server.get(value) as RingVector))),
  }
}

/** The kept positions' share from colours and decode bits, as the garbler decodes it. */
function decode({ values }: Plan, colours: Uint8Array): RingVector {
  const to = ring(values[step.output].bits)
  return fromWords(to, kept.length, joinBits(xor(colours, concat(decodeBits)), to.stride, kept.length, to.bits))
}

/** Views of `count` packages that were each spent on the image. */
async function views(image: Float64Array, count: number): Promise<View[]> {
  const all: View[] = []
  for (let i = 0; i < count; i++) all.push(await view(image))
  return all
}

const COUNT = 32
const WEAK_COUNT = 8
const noMasks = (): Weakness => 'zero'
let ofBlack: View[]
let ofRamp: View[]
let bareBlack: View[]
let bareRamp: View[]
beforeAll(async () => {
  ofBlack = await views(black, COUNT)
  ofRamp = await views(ramp, COUNT)
  bareBlack = await weakened({ mask: noMasks }, () => views(black, WEAK_COUNT))
  bareRamp = await weakened({ mask: noMasks }, () => views(ramp, WEAK_COUNT))
}, 120_000)

/** All payloads of one kind are uniform and have nothing to do with each other. */
function expectUniform(payloads: readonly Uint8Array[]): void {
  expect(chiSquare(concat(payloads))).toBeLessThan(CHI_SQUARE_LIMIT)
  expect(chiSquare(differences(payloads))).toBeLessThan(CHI_SQUARE_LIMIT)
}

/** The same statistics see what has no mask. */
function expectBare(payloads: readonly Uint8Array[]): void {
  expect(chiSquare(concat(payloads))).toBeGreaterThan(2 * CHI_SQUARE_LIMIT)
  expect(chiSquare(differences(payloads))).toBeGreaterThan(10 * CHI_SQUARE_LIMIT)
}

test('the network has all that the tests speak of', () => {
  expect(kept.length).toBeGreaterThan(20)
  expect(linear.length).toBeGreaterThan(20)
  for (const { maskedInput, delta, decoded } of ofBlack) {
    for (const payload of [maskedInput, delta, decoded]) expect(payload.length).toBeGreaterThanOrEqual(72)
  }
})

describe('the masked image', () => {
  test('is uniform and unrelated between two runs on the same image', () => {
    for (const runs of [ofBlack, ofRamp]) expectUniform(runs.map(({ maskedInput }) => maskedInput))
  })

  test('is found out when the mask is zero', () => {
    for (const runs of [bareBlack, bareRamp]) expectBare(runs.map(({ maskedInput }) => maskedInput))
  })
})

describe('the corrections of linearised positions', () => {
  /** Same shares in every package: the mask of the image and the server's masks are fixed. */
  const equalInputs = (output: Weakness) => ({
    mask: (value: number): Weakness => (value === 0 ? 'fixed' : output),
    answers: 'fixed' as const,
  })

  test('are uniform and unrelated between packages of equal inputs', async () => {
    const runs = await weakened(equalInputs('fresh'), () => views(ramp, COUNT))
    // Inputs are equal indeed.
    expect(new Set(runs.map(({ maskedInput }) => Buffer.from(maskedInput).toString('hex'))).size).toBe(1)
    expectUniform(runs.map(({ delta }) => delta))
    expectUniform(ofBlack.map(({ delta }) => delta))
  }, 60_000)

  test('are found out when the next mask is zero', async () => {
    const runs = await weakened(equalInputs('zero'), () => views(ramp, WEAK_COUNT))
    expect(new Set(runs.map(({ delta }) => Buffer.from(delta).toString('hex'))).size).toBe(1)
    expectBare(runs.map(({ delta }) => delta))
  })
})

describe('the output colours', () => {
  test('decode to the share that the simulator gives the server', () => {
    const { decoded, shares } = ofRamp[COUNT - 1]
    const bytes = (values: readonly { length: number; bits: number }[]): number =>
      values.reduce((sum, { length, bits }) => sum + Math.ceil((length * bits) / 8), 0)
    const { bits, length } = plan.values[step.output]
    const at = bytes(plan.values.slice(0, step.output))
    const packed = shares.subarray(at, at + Math.ceil((length * bits) / 8))
    // Element by element, from the packed bits.
    const element = (from: Uint8Array, i: number): bigint => {
      let value = 0n
      for (let b = 0; b < bits; b++) {
        const bit = i * bits + b
        value |= BigInt((from[bit >> 3] >> (bit & 7)) & 1) << BigInt(b)
      }
      return value
    }
    kept.forEach((position, i) => expect(element(decoded, i)).toBe(element(packed, position)))
  })

  test('are uniform with the decode bits and without, and unrelated between two runs on the same image', () => {
    for (const runs of [ofBlack, ofRamp]) {
      expectUniform(runs.map(({ decoded }) => decoded))
      expectUniform(runs.map(({ colours }) => colours))
    }
  })

  test('are found out when the next mask is zero', () => {
    for (const runs of [bareBlack, bareRamp]) expectBare(runs.map(({ decoded }) => decoded))
  })
})

describe('two images', () => {
  /** What the server sees of one image, no bit of it twice: the masked image and the decoded colours are shares. */
  const all = ({ colours, shares }: View): Uint8Array => concat([colours, shares])

  test('give the server the same distribution of every share and message', () => {
    expect(bitwiseDistance(ofBlack.map(all), ofRamp.map(all))).toBeLessThan(DISTANCE_LIMIT)
    const types = ['maskedInput', 'delta', 'colours', 'otExtension', 'heUpload'] as const
    for (const type of types) {
      const [a, b] = [ofBlack, ofRamp].map((runs) => concat(runs.map(({ sent }) => sent.bytes(type))))
      expect(a.length, type).toBeGreaterThan(2000)
      expect(twoSampleChiSquare(a, b), type).toBeLessThan(CHI_SQUARE_LIMIT)
    }
    // The same number, types and lengths of frames.
    const shape = ({ sent }: View) => sent.frames.map(({ type, step: index, payload }) => [type, index, payload.length])
    for (const run of [...ofBlack, ...ofRamp]) expect(shape(run)).toEqual(shape(ofBlack[0]))
  })

  test('are told apart when the masks are zero', () => {
    expect(bitwiseDistance(bareBlack.map(all), bareRamp.map(all))).toBeGreaterThan(DISTANCE_LIMIT)
    const [a, b] = [bareBlack, bareRamp].map((runs) => concat(runs.map(({ maskedInput }) => maskedInput)))
    // Two samples of 384 bytes over a few values each: far above, though not by much more.
    expect(twoSampleChiSquare(a, b)).toBeGreaterThan(256)
    expect(concat([a, b].map((bytes) => bytes.subarray(0, 24)))).not.toEqual(
      concat([a, a].map((x) => x.subarray(0, 24))),
    )
  })

  test('before the image is known, everything offline is on its way already', () => {
    // prepare() takes no image; what follows it is the request, the masked image, the colours and the end.
    const online = ofRamp[0].sent.frames.slice(-4).map(({ type }) => type)
    expect(online).toEqual([8, 19, 21, 23])
    const offline = new Set(ofRamp[0].sent.frames.slice(0, -4).map(({ type }) => type))
    expect([...offline].sort((x, y) => x - y)).toEqual([8, 10, 12, 14, 16, 31])
  })
})
