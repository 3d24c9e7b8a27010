/**
 * Runs a program of ours, told by the first message, where it cannot be started as itself: collects what it prints, tells
 * how it ended, and waits to be killed.
 */
import { basename, extname } from 'node:path'
import { parentLink } from './parent.ts'
import type { ProgramEnd, ProgramStart } from './run-program.ts'

/** By the names of their files. */
const PROGRAMS: Readonly<Record<string, () => Promise<unknown>>> = {
  probe: () => import('../../training/engine/probe.ts'),
  check: () => import('../../training/engine/native/check.ts'),
}

const parent = parentLink()

parent.onMessage((message) => void run(message as ProgramStart))

async function run({ file, args }: ProgramStart): Promise<void> {
  let output = ''
  const collect = (stream: NodeJS.WriteStream): void => {
    stream.write = (text: string | Uint8Array): boolean => {
      output += typeof text === 'string' ? text : Buffer.from(text).toString()
      return true
    }
  }
  collect(process.stdout)
  collect(process.stderr)
  process.argv = [process.argv[0], file, ...args]
  let ok = true
  try {
    const name = basename(file, extname(file))
    if (!Object.hasOwn(PROGRAMS, name)) throw new RangeError(`there is no program '${name}'`)
    await PROGRAMS[name]()
  } catch (error) {
    ok = false
    output += error instanceof Error ? (error.stack ?? error.message) : String(error)
  }
  ok &&= process.exitCode === undefined || process.exitCode === 0
  parent.send({ ok, output } satisfies ProgramEnd)
}
