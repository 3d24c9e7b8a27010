/**
 * Channels over TLS 1.3. Both ends have self-signed certificates and know each other by fingerprint; nothing else
 * of a certificate is looked at. No tickets, no resumption, no early data: every connection proves both keys.
 *
 * A server answers an accepted client with a `welcome` frame, so `connect` returns a channel only when both sides
 * have agreed to talk, and a client that is refused hears why.
 */
import { constants } from 'node:crypto'
import { createServer, connect as tlsConnect, type ConnectionOptions, type TLSSocket } from 'node:tls'
import { AdytonError } from '../errors/errors.ts'
import { FramedChannel, type FramedOptions } from './framed.ts'
import { fingerprint, parseFingerprint, sameFingerprint, shortFingerprint, type Identity } from './identity.ts'
import { MESSAGES, NO_STEP } from './messages.ts'
import { SocketTransport, errorCode } from './socket.ts'
import { cancelled, connectError, lateError, listenError, notAdyton, place } from './tls-errors.ts'

/** Application protocol (ALPN); its number changes with the meaning of frames. */
export const ALPN = 'adyton/1'
/** The protocol of connections that pair: certificates are proved by a code instead of pinned (core/channel/pairing). */
export const PAIRING_ALPN = 'adyton-pair/1'
/** A peer that pairs answers at once: people have typed the code before. */
const PAIRING_IDLE_MS = 10_000
/** However it spends the time: a peer that nobody knows holds one of few places. */
const PAIRING_MS = 30_000
const HANDSHAKE_TIMEOUT_MS = 10_000
const MAX_PENDING = 16

/** Decides on a peer by its certificate's fingerprint (64 lower-case hex digits). */
export type Authorise = (fingerprint: string) => boolean | Promise<boolean>

export interface TlsOptions extends FramedOptions {
  readonly identity: Identity
  /** Bytes that are read ahead of the protocol. Default 1 MiB. */
  readonly readAhead?: number | undefined
}

export interface ListenOptions extends TlsOptions {
  /** Address to listen on. Default 127.0.0.1. */
  readonly host?: string | undefined
  /** 0 for any free port. */
  readonly port: number
  readonly authorise: Authorise
  /** Takes each channel whose peer was authorised. */
  readonly onChannel: (channel: TlsChannel) => void
  /**
   * Takes each connection that asks to pair, by whomever; nothing of it may reach the protocol. They count as unfinished
   * handshakes for as long as they last.
   */
  readonly onPairing?: ((channel: TlsChannel) => void) | undefined
  /** A connection that pairs lasts no longer. Default 30 s. */
  readonly pairingLimitMs?: number | undefined
  /** Told of connections that did not become channels. */
  readonly onRefused?: ((refusal: Refusal) => void) | undefined
  readonly handshakeTimeoutMs?: number | undefined
  /** Connections that may be in their handshake at once; more are closed unheard. Default 16. */
  readonly maxPending?: number | undefined
}

export interface Refusal {
  readonly address: string
  readonly error: AdytonError
}

export interface Listener {
  readonly address: string
  readonly port: number
  /** Stops listening and ends unfinished handshakes. Channels that were handed over live on. */
  close(): Promise<void>
}

export interface ConnectOptions extends TlsOptions {
  readonly host: string
  readonly port: number
  /** The server's fingerprint in any form, or a function that decides. */
  readonly serverFingerprint: string | Authorise
  /** For reaching the server and the handshake together. Default 10 s. */
  readonly timeoutMs?: number | undefined
  readonly signal?: AbortSignal | undefined
  /** Called when TCP is connected, before the handshake. */
  readonly onReached?: (() => void) | undefined
}

/** A channel to an authenticated peer. */
export class TlsChannel extends FramedChannel {
  /** Fingerprint of the peer's certificate, 64 lower-case hex digits. */
  readonly peerFingerprint: string
  /** Address and port of the peer, for logs. */
  readonly peerAddress: string
  /** Time that TCP took to connect, ms: about one round trip. Undefined at the server. */
  readonly connectMs: number | undefined
  readonly #socket: TLSSocket

  constructor(
    socket: TLSSocket,
    peerFingerprint: string,
    peerAddress: string,
    options: TlsOptions,
    connectMs?: number,
  ) {
    super(new SocketTransport(socket, options.readAhead), options)
    this.#socket = socket
    this.peerFingerprint = peerFingerprint
    this.peerAddress = peerAddress
    this.connectMs = connectMs
  }

  /** From when and until when the peer's certificate says that it is valid, ms since 1970. */
  get peerValidity(): { readonly from: number; readonly to: number } | undefined {
    const certificate = this.#socket.getPeerX509Certificate()
    if (certificate === undefined) return undefined
    return { from: Date.parse(certificate.validFrom), to: Date.parse(certificate.validTo) }
  }

  /** Bytes that only the two ends of this connection can compute (RFC 8446 section 7.5), to bind a pairing to it. */
  exportKey(label: string, length: number): Uint8Array {
    return new Uint8Array(this.#socket.exportKeyingMaterial(length, label, Buffer.alloc(0)))
  }
}

function secureOptions(identity: Identity, protocols: string[]) {
  return {
    cert: identity.certificate,
    key: identity.privateKey,
    minVersion: 'TLSv1.3',
    maxVersion: 'TLSv1.3',
    ciphers: 'TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256',
    ALPNProtocols: protocols,
    secureOptions: constants.SSL_OP_NO_TICKET | constants.SSL_OP_NO_RENEGOTIATION,
    // Certificates are judged by fingerprint, after the handshake has proved that the peer holds the key.
    rejectUnauthorized: false,
  } as const
}

/** Starts listening. Peers that are not authorised never reach `onChannel`. */
export async function listen(options: ListenOptions): Promise<Listener> {
  const host = options.host ?? '127.0.0.1'
  const maxPending = options.maxPending ?? MAX_PENDING
  const undecided = new Set<TLSSocket>()
  const refused = (address: string, error: AdytonError): void => options.onRefused?.({ address, error })
  let open = 0
  const server = createServer({
    ...secureOptions(options.identity, options.onPairing === undefined ? [ALPN] : [ALPN, PAIRING_ALPN]),
    requestCert: true,
    handshakeTimeout: options.handshakeTimeoutMs ?? HANDSHAKE_TIMEOUT_MS,
  })
  // Accepted channels do not count against the limit, so it moves with their number.
  server.maxConnections = maxPending

  const decide = async (socket: TLSSocket): Promise<void> => {
    const address = addressOf(socket)
    const peer = peerFingerprint(socket)
    const pairs = socket.alpnProtocol === PAIRING_ALPN
    const settings = pairs ? { ...options, idleTimeoutMs: PAIRING_IDLE_MS } : options
    const channel = new TlsChannel(socket, peer ?? '', address, settings)
    let reason: string | undefined
    if (peer === undefined) reason = 'this server wants a certificate and was shown none'
    else if (socket.isSessionReused()) reason = 'this server does not resume sessions'
    else if (pairs && options.onPairing !== undefined) {
      const limit = setTimeout(() => socket.destroy(), options.pairingLimitMs ?? PAIRING_MS)
      socket.once('close', () => clearTimeout(limit))
      options.onPairing(channel)
      return
    } else if (socket.alpnProtocol !== ALPN) reason = `this server speaks only ${ALPN}`
    else if (!(await options.authorise(peer))) {
      reason = `this server (${shortFingerprint(options.identity.fingerprint)}) does not know the certificate ${shortFingerprint(peer)}`
    }
    if (reason !== undefined) {
      refused(address, new AdytonError('peer-untrusted', reason))
      await channel.abort('peer-untrusted', reason)
      return
    }
    server.maxConnections = maxPending + ++open
    socket.once('close', () => {
      server.maxConnections = maxPending + --open
    })
    undecided.delete(socket)
    await channel.send({ type: MESSAGES.welcome, step: NO_STEP, payload: new Uint8Array(0) })
    options.onChannel(channel)
  }

  server.on('secureConnection', (socket) => {
    undecided.add(socket)
    socket.once('close', () => undecided.delete(socket))
    decide(socket).catch((cause: unknown) => {
      refused(addressOf(socket), asAdytonError(cause))
      socket.destroy()
    })
  })
  server.on('tlsClientError', (error, socket) => {
    const code = errorCode(error) ?? error.message
    refused(addressOf(socket), new AdytonError('peer-closed', `a handshake failed (${code})`, { cause: error }))
    socket.destroy()
  })

  await new Promise<void>((resolve, reject) => {
    server.once('error', (cause) => reject(listenError(host, options.port, cause)))
    server.listen(options.port, host, resolve)
  })
  // Once it listens, an error concerns one accept (such as no more file descriptors), not the server.
  server.on('error', (cause) => refused(host, asAdytonError(cause)))
  const bound = server.address()
  if (bound === null || typeof bound === 'string') throw new Error('a TCP server has an address')
  return {
    address: bound.address,
    port: bound.port,
    close() {
      for (const socket of undecided) socket.destroy()
      // Its callback waits for open channels, which live on.
      server.close()
      return Promise.resolve()
    },
  }
}

/** Connects and authenticates both sides. Rejects with an AdytonError that says what is wrong with which address. */
export async function connect(options: ConnectOptions): Promise<TlsChannel> {
  const { host, port, serverFingerprint } = options
  const authorise: Authorise =
    typeof serverFingerprint === 'function' ? serverFingerprint : pinned(parseFingerprint(serverFingerprint))
  const channel = await reach(options, ALPN)
  const peer = channel.peerFingerprint
  if (!(await authorise(peer))) {
    // The server's name for itself is all it gets to know.
    await channel.abort('peer-untrusted', `the client does not trust the certificate ${shortFingerprint(peer)}`)
    const due =
      typeof serverFingerprint === 'string' ? `, where ${shortFingerprint(serverFingerprint)} was expected` : ''
    throw new AdytonError(
      'peer-untrusted',
      `the server at ${place(host, port)} has the certificate ${shortFingerprint(peer)}${due}`,
      { advice: 'Either the address is wrong or the server has a new identity; pair with it again if you trust it.' },
    )
  }
  try {
    await channel.receive({ type: MESSAGES.welcome, step: NO_STEP, length: 0 })
  } catch (cause) {
    if (!(cause instanceof AdytonError) || cause.code !== 'peer-untrusted') throw cause
    throw new AdytonError('peer-untrusted', cause.message, {
      advice: `Pair this installation (${shortFingerprint(options.identity.fingerprint)}) with the server first.`,
      cause,
    })
  }
  return channel
}

/** A connection to a server that nobody vouches for yet, good for nothing but pairing with it. */
export async function connectToPair(options: Omit<ConnectOptions, 'serverFingerprint'>): Promise<TlsChannel> {
  return await reach({ idleTimeoutMs: PAIRING_IDLE_MS, ...options }, PAIRING_ALPN)
}

/** A connection on which both sides have proved the keys of their certificates, whatever these are. */
async function reach(options: Omit<ConnectOptions, 'serverFingerprint'>, protocol: string): Promise<TlsChannel> {
  const { host, port } = options
  if (!Number.isInteger(port) || port < 1 || port > 65_535) {
    throw new AdytonError('usage', `a port is a number from 1 to 65535, not ${port}`)
  }
  const { socket, connectMs } = await handshake(options, protocol)
  const peer = peerFingerprint(socket)
  if (socket.alpnProtocol !== protocol || peer === undefined) {
    socket.destroy()
    throw notAdyton(host, port)
  }
  return new TlsChannel(socket, peer, addressOf(socket), options, connectMs)
}

function handshake(
  options: Omit<ConnectOptions, 'serverFingerprint'>,
  protocol: string,
): Promise<{ readonly socket: TLSSocket; readonly connectMs: number }> {
  const { host, port, signal } = options
  const timeoutMs = options.timeoutMs ?? HANDSHAKE_TIMEOUT_MS
  const settings: ConnectionOptions = {
    ...secureOptions(options.identity, [protocol]),
    host,
    port,
    // The name is sent in the clear: say nothing of where we think we are going.
    servername: 'adyton',
    checkServerIdentity: () => undefined,
  }
  return new Promise((resolve, reject) => {
    if (signal?.aborted === true) {
      reject(cancelled(host, port))
      return
    }
    let started = performance.now()
    const socket = tlsConnect(settings)
    let reached = false
    let connectMs = 0
    const settle = (error?: AdytonError): void => {
      clearTimeout(timer)
      signal?.removeEventListener('abort', onAbort)
      socket.off('error', onError)
      if (error === undefined) {
        resolve({ socket, connectMs })
        return
      }
      socket.on('error', () => undefined)
      socket.destroy()
      reject(error)
    }
    const onAbort = (): void => settle(cancelled(host, port))
    const onError = (cause: unknown): void => settle(connectError(host, port, reached, cause))
    const timer = setTimeout(() => settle(lateError(host, port, reached, timeoutMs)), timeoutMs)
    signal?.addEventListener('abort', onAbort)
    socket.once('lookup', () => {
      started = performance.now()
    })
    socket.once('connect', () => {
      reached = true
      connectMs = performance.now() - started
      options.onReached?.()
    })
    socket.on('error', onError)
    socket.once('secureConnect', () => settle())
  })
}

function pinned(expected: string): Authorise {
  return (peer) => sameFingerprint(peer, expected)
}

function peerFingerprint(socket: TLSSocket): string | undefined {
  const certificate = socket.getPeerX509Certificate()
  return certificate === undefined ? undefined : fingerprint(certificate.raw)
}

function addressOf(socket: TLSSocket): string {
  return place(socket.remoteAddress ?? 'unknown', socket.remotePort ?? 0)
}

function asAdytonError(cause: unknown): AdytonError {
  return cause instanceof AdytonError ? cause : new AdytonError('internal', 'a connection failed', { cause })
}
