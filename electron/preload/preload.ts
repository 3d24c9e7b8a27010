/** The only thing that a window has beside its page: messages to and from the main process. */
import { contextBridge, ipcRenderer, webUtils } from 'electron'
import type { DesktopBridge } from '../../core/api/data/desktop.ts'
import { CHANNELS } from '../ipc/channels.ts'

const bridge: DesktopBridge = {
  send: (request) => ipcRenderer.send(CHANNELS.request, request),
  onReply: (heard) => void ipcRenderer.on(CHANNELS.reply, (_event, reply: unknown) => heard(reply)),
  onEvent: (heard) => void ipcRenderer.on(CHANNELS.event, (_event, message: unknown) => heard(message)),
  ask: (request) => ipcRenderer.invoke(CHANNELS.desktop, request),
  pathOf: (file) => webUtils.getPathForFile(file),
}
contextBridge.exposeInMainWorld('adyton', bridge)
