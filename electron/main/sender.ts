/** Whose messages are taken: the top frame of a window of ours that shows our own pages. */
import type { IpcMainEvent, IpcMainInvokeEvent } from 'electron'
import { APP_ORIGIN } from './origin.ts'

export function isTrusted(event: IpcMainEvent | IpcMainInvokeEvent, windows: ReadonlySet<number>): boolean {
  const { sender, senderFrame } = event
  // The frame is null when it is gone, or has been to another page since.
  if (senderFrame === null || senderFrame !== sender.mainFrame || !windows.has(sender.id)) return false
  return new URL(senderFrame.url).origin === APP_ORIGIN
}
