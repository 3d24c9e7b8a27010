/** Whose messages are taken: the top frame of a window of ours that shows our own pages. */
import type { IpcMainEvent, IpcMainInvokeEvent } from 'electron'
import { isOurs } from './origin.ts'

export function isTrusted(event: IpcMainEvent | IpcMainInvokeEvent, windows: ReadonlySet<number>): boolean {
  try {
    const { sender, senderFrame } = event
    // The frame is null when it is gone, or has been to another page since.
    if (senderFrame === null || senderFrame !== sender.mainFrame || !windows.has(sender.id)) return false
    return isOurs(senderFrame.url)
  } catch {
    // What belongs to a window that is destroyed throws when it is looked at.
    return false
  }
}
