/**
 * Starting processes of ours. Node forks them; Electron, whose program must not be usable as a plain Node, starts them
 * as utility processes: whoever runs there sets another forker.
 */
import { fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'

/** What can be started. */
export const ENTRIES = {
  worker: new URL('../worker/process.ts', import.meta.url),
  client: new URL('../party/client.ts', import.meta.url),
  server: new URL('../party/server.ts', import.meta.url),
  program: new URL('./program.ts', import.meta.url),
} as const
export type Entry = keyof typeof ENTRIES

export interface Child {
  /** Undefined before it has started and after it has ended. */
  readonly pid: number | undefined
  /** Plain data. What reaches nobody is dropped: `onEnd` tells. */
  send(message: unknown): void
  /** Ends it by force. */
  kill(): void
}

export interface ChildEvents {
  readonly onMessage: (message: unknown) => void
  /** Called once. */
  readonly onEnd: (end: ChildEnd) => void
}

export interface ChildEnd {
  /** False when it could not be started at all. */
  readonly started: boolean
  /** To follow 'the process ended', such as 'with exit code 1'. */
  readonly how: string
}

export interface ChildOptions {
  /** The whole environment; this process's when left out. */
  readonly env?: NodeJS.ProcessEnv
}

export type Forker = (entry: Entry, options: ChildOptions, events: ChildEvents) => Child

export const nodeForker: Forker = (entry, options, { onMessage, onEnd }) => {
  const child = fork(fileURLToPath(ENTRIES[entry]), [], {
    serialization: 'advanced',
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    ...options,
  })
  let ended = false
  const end = (how: ChildEnd): void => {
    if (!ended) onEnd(how)
    ended = true
  }
  child.on('message', onMessage)
  child.on('error', (error) => {
    if (child.pid === undefined) end({ started: false, how: error.message })
  })
  child.on('exit', (code, signal) => {
    end({ started: true, how: signal === null ? `with exit code ${code}` : `by ${signal}` })
  })
  return {
    get pid() {
      return child.pid
    },
    send: (message) => {
      if (child.connected) child.send(message as object, () => undefined)
    },
    kill: () => {
      if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL')
    },
  }
}

let forker = nodeForker

/** Makes this process start others in another way from now on. */
export function setForker(other: Forker): void {
  forker = other
}

/** Starts a process of ours; it ends with this one. */
export const startChild: Forker = (entry, options, events) => forker(entry, options, events)
