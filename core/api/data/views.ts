/**
 * What each party of a local inference held, as pictures. It shows secrets of both sides, so it travels only as the
 * `transient` part of progress, which no database, file or log ever gets.
 */

/** PNG as a data: URL. */
export type PictureUrl = string

/** A value of the network between the two parties. */
export interface ValueView {
  readonly shape: readonly number[]
  /**
   * Channels side by side, greyscale; colour for an image of three channels. Shares by their highest 8 bits; the true
   * value from its least (black) to its greatest (white).
   */
  readonly client: PictureUrl
  readonly server: PictureUrl
  readonly truth: PictureUrl
  /** Channels that the pictures show, of how many. */
  readonly channels: { readonly shown: number; readonly of: number }
  /** The first elements: shares in hexadecimal, the true value as a real number. */
  readonly first: readonly { readonly client: string; readonly server: string; readonly truth: number }[]
}

/** One input wire of the circuit of one element. */
export interface WireView {
  /** Bit of the owner's share that the wire carries, 0 the lowest. */
  readonly bit: number
  /** The one label that the client held: 32 hexadecimal digits. */
  readonly held: string
  /** The labels for 0 and for 1 that the server held. */
  readonly pair: readonly [string, string]
}

/** The garbled circuit of one element of a step. */
export interface CircuitView {
  /** Element of the step's input whose circuit is shown. */
  readonly element: number
  /** Bits of the client's share: it knows which of the two labels it holds, the server does not. */
  readonly client: readonly WireView[]
  /** Bits of the server's share: the server knows which label it sent, the client cannot tell. */
  readonly server: readonly WireView[]
}

export interface InferenceViews {
  readonly kind: 'views'
  /** Which image, from 0. */
  readonly image: number
  /** The picture; the client's share is its mask, the server's the masked picture. */
  readonly input: ValueView
  /** The chosen step's output, and its circuit when it is garbled. */
  readonly step: { readonly id: string; readonly output: ValueView; readonly circuit: CircuitView | null } | null
}
