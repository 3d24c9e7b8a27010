/** What a worker process and the process that started it say to each other (Node IPC with structured clones). */
import type { OperationProgress } from '../operation.ts'
import type { PartyError } from '../party/messages.ts'

export type ToWorker =
  | { readonly do: 'run'; readonly id: number; readonly operation: string; readonly input: unknown }
  | { readonly do: 'stop'; readonly id: number }
  | { readonly do: 'tell'; readonly id: number; readonly command: unknown }

export type FromWorker = { readonly id: number } & (
  | { readonly kind: 'progress'; readonly progress: OperationProgress }
  | { readonly kind: 'notice'; readonly line: string }
  | { readonly kind: 'done'; readonly result: unknown }
  | { readonly kind: 'failed'; readonly error: PartyError }
)
