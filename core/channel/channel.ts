/**
 * What the protocol sees of a connection: an ordered, authenticated stream of typed frames.
 *
 * The receiver always says what it expects, with the exact length that the negotiated plan allows, so a
 * peer's length field is checked before anything is allocated.
 */

/** A frame as the protocol hands it over. */
export interface Frame {
  /** One of the message types of core/channel/messages.ts. */
  readonly type: number
  /** Index of the plan step it belongs to, or 0xffff for none. */
  readonly step: number
  readonly payload: Uint8Array
}

/** What the receiver is prepared to take next. */
export interface Expected {
  readonly type: number
  readonly step: number
  /** Exact payload bytes, or the inclusive range that is acceptable. */
  readonly length: number | { readonly min: number; readonly max: number }
  /** Where a payload of as many bytes may be put; by default, and for any other payload, memory of its own. */
  readonly memory?: Uint8Array
}

export interface Channel {
  /** Resolves when the frame is handed to the transport and the transport has room for more (backpressure). */
  send(frame: Frame): Promise<void>
  /**
   * The next frame's payload. Rejects with an AdytonError (core/errors) on a frame of another type, step,
   * length, version or sequence number, on a peer's abort, a closed or broken connection, or a time-out.
   */
  receive(expected: Expected): Promise<Uint8Array>
  /** Tells the peer why, best effort, and closes. */
  abort(code: string, message: string): Promise<void>
  /** Orderly close after everything sent has left. */
  close(): Promise<void>
  /** Bytes on the framed layer so far (headers included, TLS records not). */
  readonly bytesSent: number
  readonly bytesReceived: number
}
