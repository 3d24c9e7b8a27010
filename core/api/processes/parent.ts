/** A child process's link to whoever started it: Node's IPC, or in Electron a port. */
import { utilityParent } from './utility-parent.ts'
import type { Forker } from './child.ts'
import type { Port } from './ports.ts'

export interface Parent {
  send(message: unknown): void
  /** Call once; this process then ends with its parent. */
  onMessage(heard: (message: unknown) => void): void
  /** Where this process may not start others itself: asks for them. */
  readonly fork?: Forker
}

let parent: Parent | undefined

/** The same one every time. */
export function parentLink(): Parent {
  const { parentPort } = process as { parentPort?: Port }
  return (parent ??= parentPort === undefined ? nodeParent() : utilityParent(parentPort))
}

function nodeParent(): Parent {
  return {
    send(message) {
      // The parent may be gone; then there is nobody to tell, and 'disconnect' ends this process.
      if (process.connected) process.send?.(message, undefined, undefined, () => undefined)
    },
    onMessage(heard) {
      process.on('message', heard)
      process.on('disconnect', () => process.exit(0))
    },
  }
}
