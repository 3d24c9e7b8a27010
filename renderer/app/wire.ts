/** What carries messages between this window and the host: a WebSocket of the browser bridge, or Electron's channel. */
import { SOCKET_PROTOCOL } from '../../core/api/data/bridge.ts'
import type { Request } from '../../core/api/data/contract.ts'

export interface Wire {
  readonly send: (request: Request) => void
  readonly close: () => void
}

export interface WireEvents {
  readonly onOpen: () => void
  /** An unchecked message. */
  readonly onMessage: (message: unknown) => void
  /** It is over, with the reason if one was given. */
  readonly onClosed: (reason: string) => void
}

export type OpenWire = (events: WireEvents) => Wire

/** `key`: see page-key.ts. */
export function socketWire(url: string, key: string): OpenWire {
  return ({ onOpen, onMessage, onClosed }) => {
    const socket = new WebSocket(url, [SOCKET_PROTOCOL, key])
    socket.onopen = onOpen
    socket.onclose = ({ reason }) => onClosed(reason)
    socket.onmessage = ({ data }) => {
      if (typeof data !== 'string') return
      onMessage(JSON.parse(data))
    }
    return { send: (request) => socket.send(JSON.stringify(request)), close: () => socket.close() }
  }
}
