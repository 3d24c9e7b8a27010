import { setFlagsFromString } from 'node:v8'

/**
 * Makes this process collect garbage in one go, for those that run the protocol and show no window. Megabytes of messages come
 * and go outside V8's heap, which holds little itself. V8 answers each growth of those by marking in small steps, and while it
 * marks all threads run slower: with ResNet-18 that was a third of the client's processor time. Marking in one go takes some
 * milliseconds, now and then.
 */
export function collectInOneGo(): void {
  setFlagsFromString('--no-incremental-marking')
}
