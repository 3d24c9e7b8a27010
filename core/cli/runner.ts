/** What a command needs to be added to the program. */
import type * as v from 'valibot'
import type { Operation } from '../api/operation.ts'

export interface Runner {
  /** Checks the input, runs the operation, prints its result; where that counts as `failed`, the command ends with 1. */
  readonly run: <O>(
    operation: Operation<v.GenericSchema, O>,
    input: unknown,
    json: boolean,
    text: (output: O) => string,
    failed?: (output: O) => boolean,
  ) => Promise<void>
  /** Parses a whole number. */
  readonly integerArgument: (text: string) => number
  /** The example below a command's help. */
  readonly example: (text: string) => string
}
