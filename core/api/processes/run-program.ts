/** Runs programs of ours to their end where Node cannot be started to run them. */
import type { Ran, RunOptions } from '../../training/engine/native/process.ts'
import { startChild, type Child } from './child.ts'

export interface ProgramStart {
  readonly file: string
  readonly args: readonly string[]
}

export type ProgramEnd = Ran

/** As runProgram of core/training/engine/native/process.ts. */
export function runInChild(file: string, args: readonly string[], { env, signal }: RunOptions = {}): Promise<Ran> {
  return new Promise((resolve) => {
    if (signal?.aborted === true) {
      resolve({ ok: false, output: 'stopped' })
      return
    }
    const stop = (): void => child.kill()
    const done = (ran: Ran): void => {
      signal?.removeEventListener('abort', stop)
      resolve(ran)
    }
    const child: Child = startChild('program', env === undefined ? {} : { env }, {
      onMessage: (end) => {
        done(end as ProgramEnd)
        child.kill()
      },
      onEnd: ({ how }) => done({ ok: false, output: `ended ${how}` }),
    })
    signal?.addEventListener('abort', stop, { once: true })
    child.send({ file, args } satisfies ProgramStart)
  })
}
