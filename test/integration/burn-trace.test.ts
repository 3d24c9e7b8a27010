/**
 * Both party processes of a local run under strace: the record that a package is used, and the folder that holds it, are
 * on the disk before the first online byte is written to the connection.
 */
import { spawn, type ChildProcess } from 'node:child_process'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { ClientCommand, FromParty, PartySettings, ServerCommand } from '../../core/api/party/messages.ts'
import { loadNetwork, lowerNetwork, publicCard } from '../../core/api/source.ts'
import { quantiseInput } from '../../core/network/fixed.ts'
import { planDigest } from '../../core/network/plan-json.ts'
import { noise } from '../fixtures/parties.ts'
import { readTrace, straceOptions, type TracedCall } from '../fixtures/strace.ts'

const CALLS = ['openat', 'connect', 'accept4', 'write', 'writev', 'sendto', 'sendmsg', 'sendmmsg', 'fsync', 'fdatasync']
const file = (path: string): string => fileURLToPath(new URL(path, import.meta.url))

let dir: string
const traced: ChildProcess[] = []
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'adyton-burn-'))
})
afterEach(async () => {
  for (const child of traced.splice(0)) child.kill('SIGKILL')
  await rm(dir, { recursive: true, force: true })
})

/** A party process of core/api under strace. */
class Traced<C extends { readonly do: string }> {
  readonly #child: ChildProcess
  #next = 1

  constructor(role: 'client' | 'server', strace: readonly string[]) {
    const party = file(`../../core/api/party/${role}.ts`)
    const program = [process.execPath, '--import', file('../fixtures/trace-marks.ts'), party]
    this.#child = spawn('strace', [...strace, ...program], {
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
      serialization: 'advanced',
      env: { ...process.env, ADYTON_TRACE_MARKS: join(dir, `${role}.marks`), UV_USE_IO_URING: '0' },
    })
    traced.push(this.#child)
  }

  ask<R>(command: C): Promise<R> {
    const id = this.#next++
    return new Promise((resolve, reject) => {
      const onMessage = (message: FromParty): void => {
        if ((message.kind !== 'done' && message.kind !== 'failed') || message.id !== id) return
        this.#child.off('message', onMessage)
        if (message.kind === 'done') resolve(message.result as R)
        else reject(new Error(`${command.do}: ${message.error.message}`))
      }
      this.#child.on('message', onMessage)
      this.#child.once('exit', () => reject(new Error(`the traced process ended before it could ${command.do}`)))
      this.#child.send({ id, command })
    })
  }

  /** Lets the process end, so that its trace is whole. */
  async end(): Promise<void> {
    const ended = new Promise((resolve) => this.#child.once('exit', resolve))
    this.#child.disconnect()
    await ended
  }
}

/** One inference; between offline and online both parties are told something that leaves a mark. */
async function inferTraced(strace: (role: 'client' | 'server') => string[]): Promise<string> {
  const network = await loadNetwork({ arch: 'lenet-tiny', classes: 10, reluKeep: 1, seed: 'trace' })
  const model = lowerNetwork(network)
  const settings = (role: string): PartySettings => ({
    store: join(dir, role),
    threads: 0,
    kernels: null,
    revealSeeds: false,
  })
  const client = new Traced<ClientCommand>('client', strace('client'))
  const server = new Traced<ServerCommand>('server', strace('server'))
  const clientId = await client.ask<{ fingerprint: string }>({ do: 'identify' })
  const serverId = await server.ask<{ fingerprint: string }>({ do: 'identify' })
  const { port } = await server.ask<{ port: number }>({
    do: 'serve',
    settings: settings('server'),
    model,
    card: publicCard(network),
    client: clientId.fingerprint,
  })
  await client.ask({
    do: 'connect',
    settings: settings('client'),
    host: '127.0.0.1',
    port,
    server: serverId.fingerprint,
    expectedPlan: planDigest(model.plan),
  })
  const { package: id } = await client.ask<{ package: string }>({ do: 'prepare' })
  // The server's offline phase is over, since the client has its confirmation: what it writes from here on is online.
  await server.ask({ do: 'identify' })
  const image = quantiseInput(model.plan, noise(model.plan.values[0].length, 'trace'))
  await client.ask({ do: 'infer', package: id, image })
  await client.end()
  await server.end()
  return id
}

/** Where the last mark of a command, the record, its two syncs and the first byte to the network stand in a trace. */
function moments(calls: readonly TracedCall[], mark: string, id: string) {
  const last = calls.findLast(({ text }) => text.startsWith('write(') && text.includes(`"mark ${mark}\\n"`))
  expect(last, `a mark of '${mark}'`).toBeDefined()
  const after = calls.filter(({ start }) => start > last!.end)
  const connections = new Set<string>()
  for (const { text } of calls) {
    const fd = /^connect\(([0-9]+)<.*AF_INET/.exec(text)?.[1] ?? /^accept4\(.*\) += ([0-9]+)(?:<|$)/.exec(text)?.[1]
    if (fd !== undefined) connections.add(fd)
  }
  expect(connections.size).toBeGreaterThan(0)
  const record = `/burned/${id}`
  const find = (pattern: RegExp): TracedCall | undefined => after.find(({ text }) => pattern.test(text))
  return {
    created: find(new RegExp(`^openat\\(.*${record}", O_WRONLY\\|O_CREAT\\|O_EXCL`)),
    fileSynced: find(new RegExp(`^f(data)?sync\\([0-9]+<[^>]*${record}>\\) += 0$`)),
    folderSynced: find(/^fsync\([0-9]+<[^>]*\/burned>\) += 0$/),
    firstByte: after.find(({ text }) => {
      const [, fd] = /^(?:write|writev|sendto|sendmsg|sendmmsg)\(([0-9]+)</.exec(text) ?? []
      return fd !== undefined && connections.has(fd)
    }),
  }
}

describe('a package is burned before its first online byte', () => {
  test('in the traces of the client and of the server', async ({ skip }) => {
    if (straceOptions(join(dir, 'probe'), CALLS) === undefined) skip('strace is missing or may not trace here')
    const output = (role: string): string => join(dir, `${role}.trace`)
    const id = await inferTraced((role) => straceOptions(output(role), CALLS) as string[])
    for (const [role, mark] of [
      ['client', 'infer'],
      ['server', 'identify'],
    ] as const) {
      const calls = readTrace(await readFile(output(role), 'utf8'))
      const { created, fileSynced, folderSynced, firstByte } = moments(calls, mark, id)
      expect(created, `${role}: the record is made`).toBeDefined()
      expect(fileSynced, `${role}: the record is synced`).toBeDefined()
      expect(folderSynced, `${role}: its folder is synced`).toBeDefined()
      expect(firstByte, `${role}: an online byte is written`).toBeDefined()
      expect(created!.end).toBeLessThan(fileSynced!.start)
      expect(fileSynced!.end).toBeLessThan(folderSynced!.start)
      expect(folderSynced!.end, `${role}: the syncs come first`).toBeLessThan(firstByte!.start)
    }
  })
})
