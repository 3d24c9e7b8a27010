/** Runs the tools that the set-up needs (npm, pip, a compiler), and checks what they fetched. */
import { fork, spawn, type ChildProcess } from 'node:child_process'
import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { pipeline } from 'node:stream/promises'

export interface Ran {
  readonly ok: boolean
  /** Both streams, in the order they came; for a command that does not exist, why it could not start. */
  readonly output: string
}

export interface RunOptions {
  readonly env?: NodeJS.ProcessEnv
  /** Ends it. */
  readonly signal?: AbortSignal | undefined
}

/** Runs a command to its end. Never throws. */
export function run(command: string, args: readonly string[], { env, signal }: RunOptions = {}): Promise<Ran> {
  const stopping = signal === undefined ? {} : { signal }
  return ended(spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'], env: env ?? process.env, ...stopping }))
}

export type ProgramRunner = (file: string, args: readonly string[], options?: RunOptions) => Promise<Ran>

let programRunner: ProgramRunner = forkProgram

/** For where Node cannot be started: under Electron its executable would start the app again. */
export function setProgramRunner(other: ProgramRunner): void {
  programRunner = other
}

/** {@link run} for a program of ours. */
export const runProgram: ProgramRunner = (file, args, options) => programRunner(file, args, options)

function forkProgram(file: string, args: readonly string[], { env, signal }: RunOptions = {}): Promise<Ran> {
  const stopping = signal === undefined ? {} : { signal }
  return ended(fork(file, args, { stdio: ['ignore', 'pipe', 'pipe', 'ipc'], env: env ?? process.env, ...stopping }))
}

function ended(child: ChildProcess): Promise<Ran> {
  return new Promise((resolve) => {
    let output = ''
    child.stdout?.on('data', (data) => (output += String(data)))
    child.stderr?.on('data', (data) => (output += String(data)))
    child.on('error', (error) => {
      resolve({ ok: false, output: error.message })
    })
    child.on('close', (code) => {
      resolve({ ok: code === 0, output })
    })
  })
}

/** The first command that answers to --version, or undefined. */
export async function firstThatRuns(commands: readonly (readonly string[])[]): Promise<readonly string[] | undefined> {
  for (const [command, ...args] of commands) {
    if ((await run(command, [...args, '--version'])).ok) return [command, ...args]
  }
  return undefined
}

/** Digest of a file of any size, in the given encoding. */
export async function digest(
  file: string,
  algorithm: 'sha256' | 'sha512',
  encoding: 'hex' | 'base64',
): Promise<string> {
  const hash = createHash(algorithm)
  await pipeline(createReadStream(file), hash)
  return hash.digest(encoding)
}

export function lastLines(text: string, count: number): string {
  return text.trim().split('\n').slice(-count).join('\n')
}
