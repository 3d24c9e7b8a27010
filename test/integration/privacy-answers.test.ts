/**
 * What the client receives says nothing about the weights but the result: the server's share of the logits, and HE
 * answers; and what either side sends to start an HE layer is new every time. Controls take the server's masks away.
 * What the two polynomials of an answer give away is measured one level below, in he-privacy.test.ts.
 */
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { loadKernels } from '../../core/kernels/index.ts'
import { quantiseInput } from '../../core/network/fixed.ts'
import { startParties, type Parties } from '../fixtures/parties.ts'
import { Recording, recording } from '../fixtures/recorder.ts'
import { CHI_SQUARE_LIMIT, chiSquare, concat, differences } from '../fixtures/statistics.ts'
import { DENSE, tinyModel } from '../fixtures/tiny-networks.ts'
import { weakened } from '../fixtures/weaken.ts'

vi.mock('../../core/ring/prg.ts', async (original) => (await import('../fixtures/weaken.ts')).weakPrg(await original()))

const model = tinyModel(DENSE)
const image = quantiseInput(
  model.plan,
  Float32Array.from({ length: 32 }, (_, i) => i / 31),
)
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')

async function start(wire: Recording): Promise<Parties> {
  return await startParties(model, { kernels: loadKernels(), wrapClient: (channel) => recording(channel, wire) })
}

const wire = new Recording()
const setup = new Recording()
let parties: Parties
beforeAll(async () => {
  parties = await start(wire)
  setup.frames = wire.take().frames
})
afterAll(() => parties.close())

/** Runs with the same image and the same masks of the client's, so that only the server's randomness is left. */
async function runs(count: number, answers: 'fresh' | 'fixed'): Promise<Recording[]> {
  return await weakened({ mask: () => 'fixed', answers }, async () => {
    const all: Recording[] = []
    for (let i = 0; i < count; i++) {
      wire.take()
      const { id } = await parties.client.prepare()
      await parties.client.infer(id, image)
      all.push(wire.take())
    }
    return all
  })
}

let sound: Recording[]
let weak: Recording[]
beforeAll(async () => {
  sound = await runs(32, 'fresh')
  weak = await runs(4, 'fixed')
}, 120_000)

describe("the server's share of the logits", () => {
  test('is uniform and unrelated between packages, for equal images and equal masks of the client', () => {
    expect(new Set(sound.map((run) => hex(run.bytes('maskedInput')))).size).toBe(1)
    const shares = sound.map((run) => run.bytes('logitShare'))
    expect(concat(shares).length).toBeGreaterThan(4000)
    expect(chiSquare(concat(shares))).toBeLessThan(CHI_SQUARE_LIMIT)
    expect(chiSquare(differences(shares))).toBeLessThan(CHI_SQUARE_LIMIT)
  })

  test('repeats when the masks of the answers do', () => {
    expect(new Set(weak.map((run) => hex(run.bytes('logitShare')))).size).toBe(1)
  })
})

describe('uploads and answers under HE', () => {
  // With masks fixed on both sides the plaintexts are the same in every package; only encryption is fresh.
  test.each(['heUpload', 'heAnswer'] as const)('%s: equal shares give unrelated ciphertexts', (name) => {
    const [first] = weak
    first.payloads(name).forEach((_, i) => {
      const payloads = weak.map((run) => run.payloads(name)[i])
      expect(payloads[0].length).toBeGreaterThan(50_000)
      expect(chiSquare(concat(payloads))).toBeLessThan(CHI_SQUARE_LIMIT)
      expect(chiSquare(differences(payloads))).toBeLessThan(CHI_SQUARE_LIMIT)
      // One ciphertext sent twice is what the statistic is there to find.
      expect(chiSquare(differences([payloads[0], payloads[0]]))).toBeGreaterThan(10 * CHI_SQUARE_LIMIT)
    })
  })

  test('no seed of an upload and no second polynomial of an answer comes twice', () => {
    const uploads = [...sound, ...weak].flatMap((run) => run.payloads('heUpload'))
    expect(new Set(uploads.map((bytes) => hex(bytes.subarray(-64)))).size).toBe(uploads.length)
    const answers = [...sound, ...weak].flatMap((run) => run.payloads('heAnswer'))
    expect(answers.length).toBe(uploads.length)
    expect(new Set(answers.map((bytes) => hex(bytes.subarray(0, 64)))).size).toBe(answers.length)
  })
})

test('no two sessions share a greeting, a key, a message of the base OT or a session id', async () => {
  const again = new Recording()
  const others = await start(again)
  try {
    for (const name of ['clientHello', 'serverHello', 'hePublicKey', 'baseOtReceiver', 'baseOtSender'] as const) {
      const [a, b] = [setup, again].map((run) => run.payloads(name))
      expect(a.length, name).toBeGreaterThan(0)
      expect(b.length, name).toBe(a.length)
      a.forEach((payload, i) => expect(hex(payload), name).not.toBe(hex(b[i])))
    }
    const [keys, newKeys] = [setup, again].map((run) => run.bytes('hePublicKey'))
    expect(chiSquare(differences([keys, newKeys]))).toBeLessThan(CHI_SQUARE_LIMIT)
    // The plan is public and the same for everyone.
    expect(hex(again.bytes('plan'))).toBe(hex(setup.bytes('plan')))
  } finally {
    await others.close()
  }
})
