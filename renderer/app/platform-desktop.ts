/** The platform of a desktop window: the shell's dialogs, and paths as they are. */
import * as v from 'valibot'
import {
  DesktopAnswerSchema,
  DesktopEventSchema,
  type DesktopBridge,
  type DesktopEvent,
  type DesktopRequest,
} from '../../core/api/data/desktop.ts'
import { HostError } from './failure.ts'
import type { Platform } from './platform.ts'
import type { OpenWire } from './wire.ts'

const strings = (value: unknown): readonly string[] => v.parse(v.array(v.string()), value)
const textOrNull = (value: unknown): string | null => v.parse(v.nullable(v.string()), value)

/** What the preload script has put here; undefined in an ordinary browser. */
export function desktopBridge(): DesktopBridge | undefined {
  return (globalThis as { adyton?: DesktopBridge }).adyton
}

/** The host lives as long as the window does. */
export function desktopWire(bridge: DesktopBridge): OpenWire {
  return ({ onOpen, onMessage }) => {
    bridge.onReply(onMessage)
    queueMicrotask(onOpen)
    return { send: (request) => bridge.send(request), close: () => undefined }
  }
}

export function listenToShell(bridge: DesktopBridge, heard: (event: DesktopEvent) => void): void {
  bridge.onEvent((event) => {
    const parsed = v.safeParse(DesktopEventSchema, event)
    if (parsed.success) heard(parsed.output)
  })
}

export function desktopPlatform(bridge: DesktopBridge): Platform {
  const ask = async (request: DesktopRequest): Promise<unknown> => {
    const answer = v.parse(DesktopAnswerSchema, await bridge.ask(request))
    if (answer.ok) return answer.value
    throw new HostError(answer)
  }
  const bytesOf = async (content: Blob): Promise<Uint8Array<ArrayBuffer>> => new Uint8Array(await content.arrayBuffer())
  return {
    kind: 'desktop',
    async chooseFiles({ title, extensions, multiple = false }) {
      return strings(await ask({ what: 'chooseFiles', title, extensions: [...extensions], multiple }))
    },
    async chooseFolder(title) {
      return textOrNull(await ask({ what: 'chooseFolder', title }))
    },
    async takeDropped(transfer) {
      return [...transfer.files].map((file) => bridge.pathOf(file)).filter((path) => path !== '')
    },
    async putFile(name, content) {
      return v.parse(v.string(), await ask({ what: 'putFile', name, content: await bytesOf(content) }))
    },
    async save(name, write) {
      const path = textOrNull(await ask({ what: 'chooseSave', name }))
      if (path === null) return false
      await write(path)
      return true
    },
    async saveBlob(name, content) {
      return (await ask({ what: 'saveFile', name, content: await bytesOf(content) })) !== null
    },
    openExternal: (url) => void ask({ what: 'openExternal', url }),
    notify: (title, body) => void ask({ what: 'notify', title, body }),
  }
}
