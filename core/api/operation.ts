/**
 * What an operation is: the one list in index.ts serves the command line, and later the desktop app and the browser.
 */
import type * as v from 'valibot'

/** Progress of an operation, for a line of text or a bar. */
export interface OperationProgress {
  /** What is being done, for people: 'image 3 of 100, offline: conv2 answered'. */
  readonly text: string
  /** Share that is done, 0 to 1, when it is known. */
  readonly fraction?: number
  /** Numbers of this moment, for charts; plain data of the operation's own. */
  readonly detail?: unknown
  /** For those who watch alone: it is kept in memory and never in a database, a file or a log. */
  readonly transient?: unknown
}

/** What the caller gives every operation. */
export interface OperationContext {
  readonly onProgress: (progress: OperationProgress) => void
  /** A notice for people that is no error, such as a fall-back. */
  readonly onNotice: (line: string) => void
  readonly signal: AbortSignal
  /**
   * Hands what the operation is told while it runs to `hear`, the earlier words first; absent where nobody can tell it
   * anything. What is told is unchecked: an operation that listens checks it, and answers through its progress.
   */
  readonly commands?: (hear: (command: unknown) => void) => void
}

/** Of the schema, callers know what goes in, and `run` what comes out of the check. */
export interface Operation<S extends v.GenericSchema, O> {
  readonly name: string
  /** One sentence. */
  readonly summary: string
  readonly input: S
  run(input: v.InferOutput<S>, context: OperationContext): Promise<O>
}
