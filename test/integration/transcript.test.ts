/**
 * Deterministic mode: with both parties' randomness fixed, every byte of a run is fixed, so a refactoring can be
 * shown to change none. The product has no such switch: this test replaces the operating system's randomness, apart
 * for each party (both run in one process here, and whose turn it is depends on timing).
 */
import { AsyncLocalStorage } from 'node:async_hooks'
import type * as nodeCrypto from 'node:crypto'
import { createCipheriv, createHash, type Cipheriv } from 'node:crypto'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { architecture } from '../../core/architectures/index.ts'
import { tracing, Transcript } from '../../core/channel/tracing.ts'
import { fixedRunner, quantiseInput } from '../../core/network/fixed.ts'
import { randomMasks, randomTensors } from '../../core/network/tensors.ts'
import { prgFor } from '../../core/ring/prg.ts'
import { lowered, noise, startParties } from '../fixtures/parties.ts'

/** The party whose code runs, and its stream. */
const party = vi.hoisted(() => ({ bytes: (count: number): Buffer => Buffer.alloc(count) }))

vi.mock('node:crypto', async (original) => {
  const real = await original<typeof nodeCrypto>()
  return { ...real, randomBytes: (count: number) => party.bytes(count) }
})

const current = new AsyncLocalStorage<Cipheriv>()
const stream = (seed: string): Cipheriv =>
  createCipheriv('aes-128-ctr', createHash('sha256').update(seed).digest().subarray(0, 16), Buffer.alloc(16))

beforeAll(() => {
  party.bytes = (count) => {
    const own = current.getStore()
    if (own === undefined) throw new Error('randomness is drawn outside both parties')
    return Buffer.from(own.update(Buffer.alloc(count)))
  }
  // SEAL and the curve library draw through the web interface.
  vi.spyOn(globalThis.crypto, 'getRandomValues').mockImplementation((array) => {
    const view = array as unknown as Uint8Array
    new Uint8Array(view.buffer, view.byteOffset, view.byteLength).set(party.bytes(view.byteLength))
    return array
  })
})
afterAll(() => vi.restoreAllMocks())

const SEED = new Uint8Array(32).fill(9)

/** Offline and online of one inference; the digest of all frames, and the logits. */
async function run(seed: string): Promise<{ digest: string; server: string; logits: number[]; clear: number[] }> {
  const plain = architecture('lenet-tiny', { classes: 10 })
  const { graph, masks } = randomMasks(plain, 0.5, prgFor(SEED, 'masks'))
  const model = lowered(graph, new Map([...randomTensors(plain, prgFor(SEED, 'weights')), ...masks]))
  const image = quantiseInput(model.plan, noise(model.plan.values[0].length, 'transcript'))
  const transcripts = { client: new Transcript(), server: new Transcript() }
  return await current.run(stream(`${seed} client`), async () => {
    const parties = await startParties(model, {
      wrapClient: (channel) => tracing(channel, transcripts.client),
      wrapServer: (channel) => tracing(channel, transcripts.server),
      runServer: (serve) => current.run(stream(`${seed} server`), serve),
    })
    try {
      const { id } = await parties.client.prepare()
      const { logits } = await parties.client.infer(id, image)
      return {
        digest: transcripts.client.digest('client'),
        server: transcripts.server.digest('server'),
        logits: [...(logits as Float64Array)],
        clear: [...fixedRunner(model)(image).logits],
      }
    } finally {
      await parties.close()
    }
  })
}

test('equal randomness gives equal bytes, other randomness other bytes', async () => {
  const first = await run('one')
  const second = await run('one')
  const other = await run('two')
  expect(second.digest).toBe(first.digest)
  expect(first.server).toBe(first.digest)
  expect(other.digest).not.toBe(first.digest)
  expect(second.logits).toEqual(first.logits)
})
