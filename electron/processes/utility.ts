/**
 * Starts our processes as Electron's utility processes, those that the main process wants and those that its utility
 * processes ask it for: only the main process may start any, and the runAsNode fuse keeps child_process.fork from working.
 * See core/api/processes/ports.ts for what is said.
 */
import { fileURLToPath } from 'node:url'
import type { MessagePortMain, UtilityProcess } from 'electron'
import { ENTRIES, type Child, type ChildEvents, type Entry, type Forker } from '../../core/api/processes/child.ts'
import type { FromMain, ToMain } from '../../core/api/processes/ports.ts'
import type { ElectronApi } from '../main/electron.ts'

type Api = Pick<ElectronApi, 'utilityProcess' | 'MessageChannelMain'>

/** For setForker of the main process, once the app is ready. */
export function utilityForker(electron: Api): Forker {
  return (entry, options, events) => {
    const process = new Utility(electron, entry, options.env, events)
    process.post({ kind: 'begin' })
    return process
  }
}

class Utility implements Child {
  readonly #electron: Api
  readonly #process: UtilityProcess
  /** Started for this one, under its own numbers. */
  readonly #others = new Map<number, Utility>()
  #killed = false
  #ended = false

  constructor(electron: Api, entry: Entry, env: NodeJS.ProcessEnv | undefined, { onMessage, onEnd }: ChildEvents) {
    this.#electron = electron
    this.#process = electron.utilityProcess.fork(fileURLToPath(ENTRIES[entry]), [], {
      serviceName: `Adyton ${entry}`,
      stdio: ['ignore', 'ignore', 'inherit'],
      ...(env === undefined ? {} : { env }),
    })
    this.#process.on('spawn', () => {
      // It had no number yet when it was to be killed.
      if (this.#killed) this.kill()
    })
    this.#process.on('message', (message: ToMain) => {
      if (message.kind === 'message') onMessage(message.message)
      else if (message.kind === 'start') this.#start(message)
      else this.#others.get(message.id)?.kill()
    })
    this.#process.on('exit', (code) => {
      this.#ended = true
      // As with forked processes, nobody outlives who asked for them.
      for (const other of this.#others.values()) other.kill()
      onEnd({ started: true, how: `with exit code ${code}` })
    })
  }

  get pid(): number | undefined {
    return this.#process.pid
  }

  send(message: unknown): void {
    this.post({ kind: 'message', message })
  }

  post(message: FromMain, ports: MessagePortMain[] = []): void {
    if (!this.#ended) this.#process.postMessage(message, ports)
  }

  kill(): void {
    this.#killed = true
    const { pid } = this.#process
    if (this.#ended || pid === undefined) return
    // Electron's kill() asks only, and what computes does not hear.
    try {
      process.kill(pid, 'SIGKILL')
    } catch {
      // It ended by itself a moment ago.
    }
  }

  #start({ id, entry, env }: Extract<ToMain, { kind: 'start' }>): void {
    if (!Object.hasOwn(ENTRIES, entry) || this.#others.has(id)) return
    const other = new Utility(this.#electron, entry, env, {
      // It talks to this process over their own channel.
      onMessage: () => undefined,
      onEnd: (end) => {
        this.#others.delete(id)
        this.post({ kind: 'ended', id, end })
      },
    })
    this.#others.set(id, other)
    const { port1, port2 } = new this.#electron.MessageChannelMain()
    other.post({ kind: 'begin' }, [port1])
    other.whenSpawned((pid) => this.post({ kind: 'started', id, pid }, [port2]))
  }

  whenSpawned(spawned: (pid: number) => void): void {
    this.#process.once('spawn', () => {
      if (this.#process.pid !== undefined) spawned(this.#process.pid)
    })
  }
}
