/** A process of its own for the store's tests: `store-child.ts <what> <dir> ...`; it may be killed at any moment. */
import { createHash, randomBytes, randomInt } from 'node:crypto'
import { appendFileSync, writeSync } from 'node:fs'
import { once } from 'node:events'
import { AdytonError } from '../../core/errors/errors.ts'
import { PackageStore, type PackageMeta, type PackageReader } from '../../core/protocol/store/store.ts'

export const SECTIONS = ['head', 'tables', 'labels'] as const

export function testMeta(id: string = randomBytes(16).toString('hex')): PackageMeta {
  const digest = (text: string): string => createHash('sha256').update(text).digest('hex')
  return {
    id,
    role: 'client',
    peer: digest('peer'),
    planDigest: digest('plan'),
    commitment: digest('weights'),
    protocol: 1,
    created: new Date().toISOString(),
  }
}

/** What a section of a package holds, so that a reader can tell a whole one: 0 to 300 KiB made from its names. */
export function content(id: string, section: string): Uint8Array {
  const seed = createHash('sha256').update(`${id} ${section}`).digest()
  const length = seed.readUInt32LE(0) % (300 << 10)
  const out = new Uint8Array(length)
  for (let i = 0; i < length; i++) out[i] = seed[i & 31] ^ (i >> 5)
  return out
}

export async function build(store: PackageStore, id?: string): Promise<string> {
  const meta = testMeta(id)
  const writer = await store.create(meta)
  try {
    for (const section of SECTIONS) {
      const bytes = content(meta.id, section)
      const cut = bytes.length >> 1
      await writer.append(section, bytes.subarray(0, cut))
      await writer.append(section, bytes.subarray(cut))
    }
    await writer.finish()
  } catch (error) {
    await writer.discard()
    throw error
  }
  return meta.id
}

/** Reads a whole package; throws when a byte is not as it was made. */
export async function check(reader: PackageReader): Promise<void> {
  for (const section of SECTIONS) {
    const expected = content(reader.meta.id, section)
    const found = await reader.read(section, expected.length)
    if (Buffer.compare(found, expected) !== 0) throw new Error(`section ${section} differs`)
  }
}

/** Makes, takes and reads packages until it is killed, and notes in `log` every package that it got to use. */
async function churn(store: PackageStore, log: string): Promise<never> {
  writeSync(1, 'ready\n')
  for (;;) {
    for (let i = randomInt(3); i >= 0; i--) await build(store)
    const ready = await store.list()
    for (const { id } of ready.slice(0, randomInt(4))) {
      try {
        const reader = await store.take(id)
        appendFileSync(log, `${id}\n`)
        await check(reader)
        await reader.close()
      } catch (error) {
        if (!(error instanceof AdytonError && error.code === 'package-used')) throw error
      }
    }
  }
}

/** Waits for a line, then takes each package in turn; prints what it got. */
async function race(store: PackageStore, ids: string[]): Promise<void> {
  writeSync(1, 'ready\n')
  await once(process.stdin, 'data')
  for (const id of ids) {
    try {
      await store.take(id)
      writeSync(1, `won ${id}\n`)
    } catch (error) {
      writeSync(1, `${error instanceof AdytonError ? error.code : String(error)} ${id}\n`)
    }
  }
  process.exit(0)
}

if (import.meta.main) {
  const [what, dir, ...rest] = process.argv.slice(2)
  const store = await PackageStore.open(dir, { role: 'client' })
  if (what === 'churn') await churn(store, rest[0])
  else if (what === 'race') await race(store, rest)
  else if (what === 'hold') {
    // Half a package, and one that is taken and not closed.
    const writer = await store.create(testMeta())
    await writer.append('head', new Uint8Array(1000))
    await store.take(await build(store))
    writeSync(1, 'ready\n')
    // Nobody writes; a stream that is not read would not keep this process alive.
    process.stdin.resume()
    await once(process.stdin, 'end')
  } else if (what === 'use') {
    await store.take(rest[0])
    writeSync(1, 'first byte\n')
  } else throw new Error(`unknown task ${what}`)
}
