/**
 * Tables, labels, decode bits and transfers are new in every package, and no wire's second label is ever sent. The
 * network has no layer under HE, so packages are cheap. Controls fix what should be fresh.
 */
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import type { Channel } from '../../core/channel/channel.ts'
import { MESSAGES, NO_STEP } from '../../core/channel/messages.ts'
import { loadKernels } from '../../core/kernels/index.ts'
import type { Kernels } from '../../core/kernels/interface.ts'
import { quantiseInput } from '../../core/network/fixed.ts'
import type { LoweredModel } from '../../core/network/plan.ts'
import { KAPPA } from '../../core/ot/bits.ts'
import { TREE_BITS } from '../../core/ot/extension.ts'
import { Request, requestPayload } from '../../core/protocol/wire.ts'
import { startParties, type Parties } from '../fixtures/parties.ts'
import { Recording, recording } from '../fixtures/recorder.ts'
import { CHI_SQUARE_LIMIT, chiSquare, concat, differences, xor } from '../fixtures/statistics.ts'
import { circuit, tinyModel } from '../fixtures/tiny-networks.ts'
import { weakened, type Weakness } from '../fixtures/weaken.ts'

vi.mock('../../core/ring/prg.ts', async (original) => (await import('../fixtures/weaken.ts')).weakPrg(await original()))
vi.mock('../../core/ot/bootstrap.ts', async (original) =>
  (await import('../fixtures/weaken.ts')).weakBootstrap(await original()),
)

const relus = tinyModel(circuit(64))
const argmax = tinyModel(circuit(16), 1, { reveal: 'label' })
const image = ({ plan }: LoweredModel): Float64Array =>
  quantiseInput(
    plan,
    Float32Array.from({ length: plan.values[0].length }, (_, i) => Math.sin(i)),
  )
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')
const distinct = (items: readonly Uint8Array[]): number => new Set(items.map(hex)).size
const fixedMasks = (): Weakness => 'fixed'

/** Garbles with everything fixed that should be fresh. */
let repeatGarbling = false
/** Delta of every chunk: it never leaves the garbler, the kernels see it. */
let deltas: string[] = []
const sound = loadKernels()
const kernels: Kernels = {
  ...sound,
  garble(input) {
    deltas.push(hex(input.delta))
    if (!repeatGarbling) return sound.garble(input)
    const same = (bytes: Uint8Array): Uint8Array => new Uint8Array(bytes.length).fill(0x5b)
    return sound.garble({
      ...input,
      start: same(input.start),
      delta: same(input.delta),
      garblerZero: same(input.garblerZero),
      evaluatorZero: same(input.evaluatorZero),
    })
  },
}

const wire = new Recording()
const server = new Recording()
let clientEnd: Channel
const open = (model: LoweredModel): Promise<Parties> =>
  startParties(model, {
    kernels,
    wrapClient: (channel) => (clientEnd = recording(channel, wire)),
    wrapServer: (channel) => recording(channel, server),
  })

let parties: Parties
beforeAll(async () => {
  parties = await open(relus)
})
afterAll(() => parties.close())
beforeEach(() => void wire.take())

/** For what ends a session, or needs another model. */
async function reopen(model: LoweredModel): Promise<void> {
  await parties.close()
  parties = await open(model)
  wire.take()
  server.take()
}

/** Messages of packages; each is spent on the image when `spend` is set. */
async function packages(count: number, spend = false): Promise<Recording[]> {
  const all: Recording[] = []
  for (let i = 0; i < count; i++) {
    wire.take()
    const { id } = await parties.client.prepare()
    if (spend) await parties.client.infer(id, image(relus))
    all.push(wire.take())
  }
  return all
}

/** Uniform, and unrelated from package to package. */
function expectFresh(payloads: readonly Uint8Array[]): void {
  expect(concat(payloads).length).toBeGreaterThan(4000)
  expect(chiSquare(concat(payloads))).toBeLessThan(CHI_SQUARE_LIMIT)
  expect(chiSquare(differences(payloads))).toBeLessThan(CHI_SQUARE_LIMIT)
}

const labelsOf = (bytes: Uint8Array): Uint8Array[] =>
  Array.from({ length: bytes.length / 16 }, (_, i) => bytes.subarray(16 * i, 16 * i + 16))

describe('garbled tables', () => {
  test('are uniform and unrelated between packages of one circuit', async () => {
    deltas = []
    const all = await packages(3)
    expectFresh(all.map((one) => one.bytes('tables')))
    expect(new Set(deltas).size).toBe(3)
    // The start point of the hash is new as well; it follows the nonce.
    expect(distinct(all.map((one) => one.bytes('offlineAccept').subarray(16)))).toBe(3)
  })

  test('repeat when delta, labels and start point do', async () => {
    repeatGarbling = true
    try {
      const all = await packages(3)
      expect(distinct(all.map((one) => one.bytes('tables')))).toBe(1)
    } finally {
      repeatGarbling = false
    }
  })
})

describe("labels of the server's inputs", () => {
  /** Differences of the two labels of each wire that two packages sent. */
  const betweenPackages = (all: readonly Recording[]): Uint8Array[] => {
    const labels = all.map((one) => labelsOf(one.bytes('labels')))
    return labels.slice(1).flatMap((later) => later.map((label, i) => xor(label, labels[0][i])))
  }

  test('are uniform, never sent twice, and unrelated between packages', async () => {
    const all = await packages(3, true)
    expectFresh(all.map((one) => one.bytes('labels')))
    const sent = all.flatMap((one) => labelsOf(one.bytes('labels')))
    expect(distinct(sent)).toBe(sent.length)
    const differing = betweenPackages(all)
    expect(distinct(differing)).toBe(differing.length)
    // One label a wire, and no more.
    const step = relus.plan.steps[0]
    if (step.op !== 'activation') throw new Error('the first step is a ReLU')
    expect(labelsOf(all[0].bytes('labels')).length).toBe(64 * step.circuitBits)
  })

  test('give delta away when it and the label key stay', async () => {
    const differing = await weakened({ garbler: 'fixed' }, async () => betweenPackages(await packages(2, true)))
    // Zero where the bits are the same, delta where they are not.
    expect(distinct(differing)).toBe(2)
  })

  test('of a package that was used are not sent again, whatever the client does', async () => {
    const { id } = await parties.client.prepare()
    const answer = await parties.client.infer(id, image(relus))
    expect(answer.logits?.length).toBe(64)
    expect(server.take().payloads('labels').length).toBeGreaterThan(0)
    // A client without scruples asks past its own store.
    const asked = requestPayload(Request.online, Buffer.from(id, 'hex'))
    await clientEnd.send({ type: MESSAGES.request, step: NO_STEP, payload: asked })
    await expect(parties.ended).rejects.toMatchObject({ code: 'package-used' })
    expect(server.take().frames.filter(({ direction }) => direction === 'sent')).toEqual([])
    await reopen(relus)
  })
})

describe('colours', () => {
  test('are uniform and unrelated to those of the same image with the same masks', async () => {
    // 64 elements of 14 bits are 112 bytes a package.
    const all = await weakened({ mask: fixedMasks }, () => packages(48, true))
    expect(distinct(all.map((one) => one.bytes('maskedInput')))).toBe(1)
    expectFresh(all.map((one) => one.bytes('colours')))
  })

  test('repeat when labels, delta and transfers do', async () => {
    const all = await weakened({ mask: fixedMasks, garbler: 'fixed', transfers: 'fixed' }, async () => {
      repeatStart()
      return await packages(2, true)
    })
    vi.restoreAllMocks()
    expect(distinct(all.map((one) => one.bytes('colours')))).toBe(1)
  })
})

/** Lets the hash start at the same point in every package: both parties hash with the same start. */
function repeatStart(): void {
  const start = new Uint8Array(16).fill(7)
  vi.spyOn(kernels, 'garble').mockImplementation((input) => sound.garble({ ...input, start }))
  vi.spyOn(kernels, 'evaluate').mockImplementation((input) => sound.evaluate({ ...input, start }))
}

describe('transfers', () => {
  test('choices and delta are hidden by columns that are new in every package', async () => {
    // The choices (the client's shares and masks) and delta are the same: what differs is what hides them.
    const all = await weakened({ mask: fixedMasks, garbler: 'fixed' }, () => packages(3))
    expectFresh(all.map((one) => one.bytes('otExtension')))
    expectFresh(all.map((one) => one.bytes('otTrees')))
    expectFresh(all.map((one) => one.bytes('otBootstrap').subarray(16)))
    expect(distinct(all.map((one) => one.bytes('otBootstrap').subarray(0, 16)))).toBe(3)
  })

  test('repeat when their seeds are not bound to the package', async () => {
    const all = await weakened({ mask: fixedMasks, garbler: 'fixed', transfers: 'fixed' }, () => packages(3))
    expect(distinct(all.map((one) => one.bytes('otBootstrap')))).toBe(1)
    expect(distinct(all.map((one) => one.bytes('otTrees')))).toBe(1)
    expect(distinct(all.map((one) => one.bytes('otExtension')))).toBe(1)
  })

  test('columns differ by exactly the choices when only those are new', async () => {
    const weak = { garbler: 'fixed', transfers: 'fixed' } as const
    const [a] = await weakened({ ...weak, mask: fixedMasks }, () => packages(1))
    const [b] = await weakened({ ...weak, mask: () => 'zero' }, () => packages(1))
    const columns = xor(a.bytes('otExtension'), b.bytes('otExtension'))
    // A column a tree, each the same difference of choices: a server would read the client's shares.
    const trees = KAPPA / TREE_BITS
    const row = columns.length / trees
    const rows = Array.from({ length: trees }, (_, i) => columns.subarray(i * row, (i + 1) * row))
    expect(distinct(rows)).toBe(1)
  })
})

describe('decode bits of a revealed label', () => {
  const COUNT = 64
  beforeAll(() => reopen(argmax))
  afterAll(() => reopen(relus))

  /** Each decode bit is a byte of its own, for there is one argmax. */
  const ones = (all: readonly Recording[]): number =>
    all.reduce((sum, one) => sum + one.bytes('decodeBits').reduce((bits, bit) => bits + bit, 0), 0)

  test('are those of fresh labels', async () => {
    const all = await packages(COUNT)
    const bits = all.reduce((sum, one) => sum + one.bytes('decodeBits').length, 0)
    expect(bits).toBe(4 * COUNT)
    // 256 fair bits: mean 128, standard deviation 8; 7 deviations happen by chance less than once in 10^11.
    expect(Math.abs(ones(all) - bits / 2)).toBeLessThan(56)
    // 64 draws of one of 16 patterns: that only two of them ever come has a chance below 10^-50.
    expect(distinct(all.map((one) => one.bytes('decodeBits')))).toBeGreaterThan(2)
  })

  test('repeat when the labels do', async () => {
    repeatGarbling = true
    try {
      expect(distinct((await packages(8)).map((one) => one.bytes('decodeBits')))).toBe(1)
    } finally {
      repeatGarbling = false
    }
  })

  test('are all that comes with the tables: no share of the logits is sent, and no colour of the argmax goes back', async () => {
    const { id } = await parties.client.prepare()
    const answer = await parties.client.infer(id, image(argmax))
    expect(answer.logits).toBeUndefined()
    const frames = wire.take().frames
    const last = argmax.plan.steps.length - 1
    const ofReveal = frames.filter(({ step }) => step === last).map(({ direction, type }) => `${direction} ${type}`)
    const { otExtension, tables, decodeBits, labels, colours, logitShare } = MESSAGES
    expect(new Set(ofReveal)).toEqual(
      new Set([`sent ${otExtension}`, `received ${tables}`, `received ${decodeBits}`, `received ${labels}`]),
    )
    expect(frames.some(({ type }) => type === logitShare)).toBe(false)
    // Those of the ReLU did.
    expect(frames.some(({ type, step }) => type === colours && step === 0)).toBe(true)
  })
})

describe('ids of packages', () => {
  test('take a nonce of each party, so a party that repeats its own gets another id', async () => {
    // The client's side of an offline phase, up to the server's nonce, with the same nonce twice.
    const nonces: string[] = []
    for (let i = 0; i < 2; i++) {
      const payload = requestPayload(Request.offline, new Uint8Array(16).fill(9))
      await clientEnd.send({ type: MESSAGES.request, step: NO_STEP, payload })
      const accept = await clientEnd.receive({ type: MESSAGES.offlineAccept, step: NO_STEP, length: 32 })
      nonces.push(hex(accept.subarray(0, 16)))
      await clientEnd.abort('cancelled', 'enough was seen')
      await parties.ended.catch(() => undefined)
      await reopen(relus)
    }
    expect(new Set(nonces).size).toBe(2)
    const all = await packages(3)
    // The client's nonces, in its requests.
    expect(distinct(all.map((one) => one.payloads('request')[0].subarray(1)))).toBe(3)
    expect(distinct(all.map((one) => one.bytes('offlineEnd')))).toBe(3)
  })
})
