/**
 * Private inferences on this machine: two processes of its own, one image after another, and both accounts.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type AdytonError } from '../errors/errors.ts'
import type { Entry, LedgerData } from '../ledger/ledger.ts'
import { planDigest } from '../network/plan-json.ts'
import type { LoweredModel } from '../network/plan.ts'
import type { Progress } from '../protocol/client/context.ts'
import type { PublicCard } from '../protocol/hello.ts'
import type {
  ClientCommand,
  Connected,
  Identified,
  Inferred,
  Listening,
  PartySettings,
  PreparedHere,
  ServedHere,
  ServerCommand,
  Stopped,
} from './party/messages.ts'
import { fromPartyError, Party, type PartyEvent } from './party/party.ts'
import type { Seen, Watch } from './party/seen.ts'

export interface LocalRunOptions {
  readonly model: LoweredModel
  readonly card: PublicCard
  /** HE worker threads of each party. */
  readonly threads: { readonly client: number; readonly server: number }
  readonly kernels: string | null
  /** Keep both package seeds, so that a simulator can repeat the run. */
  readonly revealSeeds: boolean
  readonly onProgress: (party: 'client' | 'server', done: Progress) => void
  /** A party's account of the phase that it is at. */
  readonly onAccount?: (party: 'client' | 'server', entries: readonly Entry[]) => void
  /** Have both parties hand over what they hold of these values and this step, for the caller's memory alone. */
  readonly watch?: Watch
  /** Where packages are kept; a temporary folder that is removed afterwards when absent. */
  readonly data?: string
  readonly signal?: AbortSignal
}

/** One inference, both accounts. */
export interface LocalInference {
  readonly label: number
  readonly logits: Float64Array | null
  readonly client: { readonly offline: LedgerData; readonly online: LedgerData }
  readonly server: { readonly offline: LedgerData; readonly online: LedgerData }
  readonly seeds: { readonly client: Uint8Array; readonly server: Uint8Array } | null
  /** What each party held, offline and online; null unless it was watched. */
  readonly seen: { readonly client: readonly Seen[]; readonly server: readonly Seen[] } | null
}

/** The two processes of a local run; always close it. */
/** Each party's account of a package. */
export interface PreparedPair {
  readonly prepared: PreparedHere
  readonly offline: ServedHere
}

export class LocalRun {
  readonly #server: Party<ServerCommand>
  readonly #client: Party<ClientCommand>
  readonly #served: ServedHere[] = []
  readonly #wakers = new Set<() => void>()
  #broken: AdytonError | undefined
  #folder: { path: string; temporary: boolean } | undefined
  #setup: Connected | undefined
  readonly #stopListening: () => void = () => undefined
  readonly #onAccount: NonNullable<LocalRunOptions['onAccount']>

  private constructor(options: LocalRunOptions) {
    this.#onAccount = options.onAccount ?? (() => undefined)
    const listen =
      (party: 'client' | 'server') =>
      (event: PartyEvent): void => {
        if (event.kind === 'progress') options.onProgress(party, event.done)
        else if (event.kind === 'account') this.#onAccount(party, event.entries)
        else if (event.kind === 'served') this.#served.push(event.served)
        else this.#broken ??= fromPartyError(event.error)
        for (const wake of this.#wakers) wake()
      }
    this.#server = Party.start<ServerCommand>('server', listen('server'))
    this.#client = Party.start<ClientCommand>('client', listen('client'))
    const cancel = (): void => this.kill()
    options.signal?.addEventListener('abort', cancel)
    this.#stopListening = () => options.signal?.removeEventListener('abort', cancel)
  }

  /** Starts both processes and runs greeting, keys and base OT. */
  static async start(options: LocalRunOptions): Promise<LocalRun> {
    options.signal?.throwIfAborted()
    const run = new LocalRun(options)
    try {
      await run.#connect(options)
      return run
    } catch (error) {
      await run.close()
      throw error
    }
  }

  async #connect(options: LocalRunOptions): Promise<void> {
    const temporary = options.data === undefined
    const path = options.data ?? (await mkdtemp(join(tmpdir(), 'adyton-')))
    this.#folder = { path, temporary }
    const settings = (role: 'client' | 'server'): PartySettings => ({
      store: join(path, role),
      threads: options.threads[role],
      kernels: options.kernels,
      revealSeeds: options.revealSeeds,
      ...(options.watch === undefined ? {} : { watch: options.watch }),
    })
    const [client, server] = await Promise.all([
      this.#client.ask<Identified>({ do: 'identify' }),
      this.#server.ask<Identified>({ do: 'identify' }),
    ])
    const { port } = await this.#server.ask<Listening>({
      do: 'serve',
      settings: settings('server'),
      model: options.model,
      card: options.card,
      client: client.fingerprint,
    })
    this.#setup = await this.#client.ask<Connected>({
      do: 'connect',
      settings: settings('client'),
      host: '127.0.0.1',
      port,
      server: server.fingerprint,
      expectedPlan: planDigest(options.model.plan),
    })
  }

  /** What the client learned when it connected. */
  get setup(): Connected {
    if (this.#setup === undefined) throw new Error('the parties are not connected')
    return this.#setup
  }

  get pids(): { client: number | undefined; server: number | undefined } {
    return { client: this.#client.pid, server: this.#server.pid }
  }

  /** One package and one inference on a quantised image. */
  async infer(image: Float64Array): Promise<LocalInference> {
    return await this.inferWith(await this.prepare(), image)
  }

  /** A package of both parties. */
  async prepare(): Promise<PreparedPair> {
    const prepared = await this.#client.ask<PreparedHere>({ do: 'prepare' })
    const offline = await this.#servedRequest('offline', prepared.package)
    this.#onAccount('client', prepared.ledger.entries)
    this.#onAccount('server', offline.ledger.entries)
    return { prepared, offline }
  }

  /** One inference on a quantised image, with a package that no other has used. */
  async inferWith({ prepared, offline }: PreparedPair, image: Float64Array): Promise<LocalInference> {
    const answer = await this.#client.ask<Inferred>({ do: 'infer', package: prepared.package, image })
    const online = await this.#servedRequest('online', prepared.package)
    this.#onAccount('client', answer.ledger.entries)
    this.#onAccount('server', online.ledger.entries)
    const seeds =
      prepared.seed === null || offline.seed === null ? null : { client: prepared.seed, server: offline.seed }
    return {
      label: answer.label,
      logits: answer.logits,
      client: { offline: prepared.ledger, online: answer.ledger },
      server: { offline: offline.ledger, online: online.ledger },
      seeds,
      seen: bothSeen([prepared.seen, answer.seen], [offline.seen, online.seen]),
    }
  }

  /** The server's account of a request arrives a moment after the client's end of it. */
  async #servedRequest(phase: 'offline' | 'online', id: string): Promise<ServedHere> {
    for (;;) {
      const at = this.#served.findIndex((served) => served.phase === phase && served.package === id)
      if (at >= 0) return this.#served.splice(at, 1)[0]
      if (this.#broken !== undefined) throw this.#broken
      await new Promise<void>((resolve) => {
        const wake = (): void => {
          this.#wakers.delete(wake)
          resolve()
        }
        this.#wakers.add(wake)
      })
    }
  }

  /** Stops both processes and returns their peak memory in bytes; 0 for one that is gone. */
  async close(): Promise<{ client: number; server: number }> {
    const stop = async (party: Party<ClientCommand> | Party<ServerCommand>): Promise<number> => {
      try {
        const stopped = await (party as Party<ClientCommand>).ask<Stopped>({ do: 'stop' })
        return stopped.peakMemory
      } catch {
        return 0
      } finally {
        party.kill()
      }
    }
    // The client first: the server waits for its sessions to end.
    const client = await stop(this.#client)
    const server = await stop(this.#server)
    this.#stopListening()
    if (this.#folder?.temporary === true) await rm(this.#folder.path, { recursive: true, force: true })
    return { client, server }
  }

  kill(): void {
    this.#client.kill()
    this.#server.kill()
  }
}

function bothSeen(client: readonly (Seen | null)[], server: readonly (Seen | null)[]): LocalInference['seen'] {
  const given = (all: readonly (Seen | null)[]): Seen[] => all.filter((one) => one !== null)
  const seen = { client: given(client), server: given(server) }
  return seen.client.length + seen.server.length === 0 ? null : seen
}
