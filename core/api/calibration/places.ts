/** Costs of what lies between the parties and beside them: TLS over loopback, and the disk that packages are on. */
import { randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Channel } from '../../channel/channel.ts'
import { ephemeralIdentity } from '../../channel/identity.ts'
import { MESSAGES, NO_STEP } from '../../channel/messages.ts'
import { connect, listen, type TlsChannel } from '../../channel/tls.ts'
import { PackageStore } from '../../protocol/store/store.ts'
import type { Costs } from './costs.ts'
import { least, wallMs, type Timing } from './timing.ts'

/** As large as a chunk's tables; and how many of them a run moves. */
const CHUNK = 8 * 2 ** 20
const MANY = 4

export async function linkCosts(timing: Timing, chunk: number = CHUNK): Promise<Costs['link']> {
  const identity = await ephemeralIdentity()
  let accepted: (channel: TlsChannel) => void = () => undefined
  const server = new Promise<TlsChannel>((resolve) => (accepted = resolve))
  const listener = await listen({ identity, port: 0, authorise: () => true, onChannel: accepted })
  try {
    const near = await connect({
      identity,
      host: listener.address,
      port: listener.port,
      serverFingerprint: identity.fingerprint,
    })
    const far = await server
    try {
      const large = new Uint8Array(chunk)
      const bytes = await least(() => Promise.all(Array.from({ length: MANY }, () => move(far, near, large))), timing)
      return { bytes: bytes / ((MANY * chunk) / 1e6) }
    } finally {
      await Promise.all([near.close(), far.close()])
    }
  } finally {
    await listener.close()
  }
}

async function move(from: Channel, to: Channel, payload: Uint8Array): Promise<void> {
  const expected = { type: MESSAGES.tables, step: NO_STEP, length: payload.length }
  await Promise.all([from.send({ ...expected, payload }), to.receive(expected)])
}

export async function diskCosts(timing: Timing, chunk: number = CHUNK): Promise<Costs['disk']> {
  const folder = await mkdtemp(join(tmpdir(), 'adyton-calibration-'))
  try {
    const store = await PackageStore.open(folder, { role: 'client' })
    const bytes = new Uint8Array(chunk)
    let [append, finish, read] = [0, 0, 0]
    /** Writes a package and takes it, and keeps how long its parts took. */
    const pass = async (pieces: number): Promise<void> => {
      const id = randomBytes(16).toString('hex')
      const of = { peer: '0'.repeat(64), planDigest: '0'.repeat(64), commitment: '0'.repeat(64), protocol: 1 }
      const writer = await store.create({ id, role: 'client', ...of, created: new Date().toISOString() })
      let from = wallMs()
      const took = (): number => -from + (from = wallMs())
      for (let i = 0; i < pieces; i++) await writer.append('tables', bytes)
      append = took()
      // Other sections, as every package has some.
      for (const section of ['head', 'labels']) await writer.append(section, bytes.subarray(0, 64))
      took()
      await writer.finish()
      finish = took()
      const reader = await store.take(id)
      took()
      try {
        for (let i = 0; i < pieces; i++) await reader.read('tables', chunk)
        read = took()
      } finally {
        await reader.close()
      }
    }
    const best = { finish: Infinity, write: Infinity, read: Infinity }
    await least(async () => {
      await pass(0)
      best.finish = Math.min(best.finish, finish)
    }, timing)
    await least(async () => {
      await pass(MANY)
      // What making it durable takes longer than that of an empty one is the bytes' part too.
      best.write = Math.min(best.write, append + Math.max(0, finish - best.finish))
      best.read = Math.min(best.read, read)
    }, timing)
    const megabytes = (MANY * chunk) / 1e6
    return { write: best.write / megabytes, read: best.read / megabytes }
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}
