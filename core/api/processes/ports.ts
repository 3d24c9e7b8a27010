/**
 * What Electron's main process and a utility process say to each other. A process that another utility process asked
 * for talks to that one over a channel of their own: the main process makes it, and carries none of what they say.
 */
import type { ChildEnd, Entry } from './child.ts'

/** Of Electron's ports, what is used here. */
export interface Port {
  postMessage(message: unknown): void
  on(event: 'message', heard: (event: { readonly data: unknown; readonly ports: readonly Port[] }) => void): unknown
  /** Not of the port to the main process, which needs none. */
  start?(): void
}

export type FromMain =
  /** The first message. It comes with a port for a process that another one asked for. */
  | { readonly kind: 'begin' }
  /** For a process that the main process started for itself. */
  | { readonly kind: 'message'; readonly message: unknown }
  /** What was asked for under this number has been started; it comes with the port to it. */
  | { readonly kind: 'started'; readonly id: number; readonly pid: number }
  | { readonly kind: 'ended'; readonly id: number; readonly end: ChildEnd }

export type ToMain =
  | { readonly kind: 'message'; readonly message: unknown }
  | { readonly kind: 'start'; readonly id: number; readonly entry: Entry; readonly env?: NodeJS.ProcessEnv }
  | { readonly kind: 'kill'; readonly id: number }
