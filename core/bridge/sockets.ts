/** Windows' conversations with the host over web sockets. */
import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import { WebSocket, WebSocketServer, type RawData } from 'ws'
import { Connection } from '../api/connection.ts'
import { SOCKET_PROTOCOL } from '../api/data/bridge.ts'
import { MAX_REQUEST, type Reply } from '../api/data/contract.ts'
import type { Host } from '../api/host.ts'

export interface SocketLimits {
  readonly sockets: number
  /** Bytes that wait for a window that does not read. */
  readonly buffered: number
  /** A window that has not answered the last ping when the next is due is gone. */
  readonly pingMs: number
}

export const SOCKET_LIMITS: SocketLimits = { sockets: 32, buffered: 64 * 2 ** 20, pingMs: 30_000 }

/** A close frame takes 123 bytes of reason. */
const MAX_REASON = 123
const GOING_AWAY = 1001
const POLICY = 1008

export class Sockets {
  readonly #host: Host
  readonly #limits: SocketLimits
  readonly #log: (reason: string, request: IncomingMessage) => void
  readonly #server = new WebSocketServer({
    noServer: true,
    maxPayload: MAX_REQUEST,
    perMessageDeflate: false,
    // Never the key, which is offered beside it.
    handleProtocols: () => SOCKET_PROTOCOL,
  })
  readonly #answering = new Set<WebSocket>()
  readonly #timer: NodeJS.Timeout

  constructor(host: Host, limits: SocketLimits, log: (reason: string, request: IncomingMessage) => void) {
    this.#host = host
    this.#limits = limits
    this.#log = log
    this.#timer = setInterval(() => this.#ping(), limits.pingMs).unref()
  }

  get full(): boolean {
    return this.#server.clients.size >= this.#limits.sockets
  }

  /** Takes a request that has been checked. */
  accept(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    this.#server.handleUpgrade(request, socket, head, (window) => this.#talk(window, request))
  }

  close(): void {
    clearInterval(this.#timer)
    for (const window of this.#server.clients) {
      window.close(GOING_AWAY, 'the program is ending')
      window.terminate()
    }
    this.#server.close()
  }

  #talk(window: WebSocket, request: IncomingMessage): void {
    const connection = new Connection(this.#host, (reply) => this.#send(window, reply, request))
    const refuse = (reason: string, detail = reason): void => {
      this.#log(reason, request)
      window.close(
        POLICY,
        Buffer.from(detail)
          .subarray(0, MAX_REASON)
          .toString()
          .replace(/\ufffd$/, ''),
      )
    }
    this.#answering.add(window)
    window.on('pong', () => this.#answering.add(window))
    window.on('message', (data, binary) => {
      // What came before a refusal took effect.
      if (window.readyState !== WebSocket.OPEN) return
      const message = binary ? undefined : parse(data)
      if (message === undefined) return refuse('a message that is not JSON')
      try {
        connection.receive(message)
      } catch (error) {
        refuse('a message outside the contract', error instanceof Error ? error.message : String(error))
      }
    })
    window.on('error', (error) => {
      const code = 'code' in error && typeof error.code === 'string' ? error.code : 'error'
      this.#log(`a broken message (${code})`, request)
    })
    window.on('close', () => {
      this.#answering.delete(window)
      connection.close()
    })
  }

  #send(window: WebSocket, reply: Reply, request: IncomingMessage): void {
    if (window.readyState !== WebSocket.OPEN) return
    if (window.bufferedAmount > this.#limits.buffered) {
      this.#log('a window that does not read', request)
      window.terminate()
      return
    }
    window.send(JSON.stringify(reply))
  }

  #ping(): void {
    for (const window of this.#server.clients) {
      if (!this.#answering.delete(window)) window.terminate()
      else window.ping()
    }
  }
}

function parse(data: RawData): unknown {
  try {
    // Text arrives as one Buffer.
    return JSON.parse((data as Buffer).toString())
  } catch {
    return undefined
  }
}
