/**
 * The frame: a 12-byte header and a payload. All integers are little-endian.
 *
 *   offset  bytes  field
 *   0       1      version   FRAME_VERSION
 *   1       1      type      core/channel/messages.ts
 *   2       2      step      index of the plan step, NO_STEP for none
 *   4       4      sequence  of this direction: 0, 1, 2, ... with no gaps
 *   8       4      length    of the payload in bytes
 *
 * A header is checked against what the receiver expects before memory for the payload is asked for, so a peer's
 * length field never decides how much is allocated.
 */
import type { Expected } from './channel.ts'
import { AdytonError, ERROR_CODES, type ErrorCode } from '../errors/errors.ts'
import { MESSAGES, NO_STEP, messageName } from './messages.ts'

export const FRAME_VERSION = 1
export const HEADER_BYTES = 12
/** Largest payload that the length field can state. */
export const MAX_PAYLOAD_BYTES = 0xffff_ffff
/** Largest payload of an abort frame. */
export const MAX_ABORT_BYTES = 1024

export interface FrameHeader {
  readonly version: number
  readonly type: number
  readonly step: number
  readonly sequence: number
  /** Payload bytes. */
  readonly length: number
}

/** The header as 12 bytes. RangeError for a field that does not fit. */
export function encodeHeader(header: FrameHeader): Uint8Array<ArrayBuffer> {
  requireUnsigned('version', header.version, 0xff)
  requireUnsigned('type', header.type, 0xff)
  requireUnsigned('step', header.step, 0xffff)
  requireUnsigned('sequence', header.sequence, 0xffff_ffff)
  requireUnsigned('length', header.length, MAX_PAYLOAD_BYTES)
  const bytes = new Uint8Array(HEADER_BYTES)
  const view = new DataView(bytes.buffer)
  view.setUint8(0, header.version)
  view.setUint8(1, header.type)
  view.setUint16(2, header.step, true)
  view.setUint32(4, header.sequence, true)
  view.setUint32(8, header.length, true)
  return bytes
}

/** The fields of a header, unchecked. */
export function decodeHeader(bytes: Uint8Array): FrameHeader {
  if (bytes.length !== HEADER_BYTES)
    throw new RangeError(`a frame header has ${HEADER_BYTES} bytes, got ${bytes.length}`)
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  return {
    version: view.getUint8(0),
    type: view.getUint8(1),
    step: view.getUint16(2, true),
    sequence: view.getUint32(4, true),
    length: view.getUint32(8, true),
  }
}

/**
 * Checks a received header; `sequence` is the number that is due. Throws an AdytonError with the code
 * version-mismatch, frame-unexpected (sequence, type, step), frame-too-large or frame-invalid (length).
 */
export function checkHeader(header: FrameHeader, expected: Expected, sequence: number): void {
  if (header.version !== FRAME_VERSION) {
    throw new AdytonError(
      'version-mismatch',
      `the peer sent a frame of version ${header.version}; this is version ${FRAME_VERSION}`,
      { advice: 'Run the same release of Adyton on both sides.' },
    )
  }
  if (header.sequence !== sequence) {
    throw new AdytonError(
      'frame-unexpected',
      `frame number ${header.sequence} arrived where number ${sequence} was due: frames were lost, repeated or reordered`,
    )
  }
  if (header.type === MESSAGES.abort || header.type === MESSAGES.close) {
    checkControl(header)
    return
  }
  if (header.type !== expected.type || header.step !== expected.step) {
    throw new AdytonError('frame-unexpected', `the peer sent ${describe(header)} where ${describe(expected)} was due`)
  }
  const { min, max } =
    typeof expected.length === 'number' ? { min: expected.length, max: expected.length } : expected.length
  if (header.length > max) {
    throw new AdytonError(
      'frame-too-large',
      `the peer announced ${header.length} bytes for ${describe(header)}; at most ${max} are allowed`,
    )
  }
  if (header.length < min) {
    throw new AdytonError(
      'frame-invalid',
      `the peer announced ${header.length} bytes for ${describe(header)}; at least ${min} are needed`,
    )
  }
}

function checkControl(header: FrameHeader): void {
  const max = header.type === MESSAGES.abort ? MAX_ABORT_BYTES : 0
  if (header.length > max) {
    throw new AdytonError(
      'frame-too-large',
      `the peer announced ${header.length} bytes for ${messageName(header.type)}; at most ${max} are allowed`,
    )
  }
  if (header.step !== NO_STEP) {
    throw new AdytonError('frame-invalid', `the peer sent ${messageName(header.type)} for a step of the plan`)
  }
}

function describe(frame: { readonly type: number; readonly step: number }): string {
  return frame.step === NO_STEP ? messageName(frame.type) : `${messageName(frame.type)} of step ${frame.step}`
}

/** Payload of an abort frame: length of the code (u8), code (ASCII), message (UTF-8), cut at 1 KiB. */
export function encodeAbort(code: string, message: string): Uint8Array<ArrayBuffer> {
  const known = /^[a-z-]{1,40}$/.test(code) ? code : 'internal'
  const bytes = new Uint8Array(MAX_ABORT_BYTES)
  bytes[0] = known.length
  const encoder = new TextEncoder()
  encoder.encodeInto(known, bytes.subarray(1))
  // encodeInto stops before a character that does not fit whole.
  const { written } = encoder.encodeInto(message, bytes.subarray(1 + known.length))
  return bytes.slice(0, 1 + known.length + written)
}

/** Codes that name the same condition on both sides; any other reason of the peer is 'peer-aborted'. */
const SHARED_CODES: ReadonlySet<string> = new Set<ErrorCode>([
  'peer-untrusted',
  'version-mismatch',
  'model-mismatch',
  'parameter-mismatch',
  'package-used',
  'package-missing',
  'limit-reached',
])

/** The error that an abort frame's payload stands for. The peer's words are untrusted text: shown, never obeyed. */
export function decodeAbort(payload: Uint8Array): AdytonError {
  const codeLength = payload[0] ?? 0
  if (payload.length === 0 || 1 + codeLength > payload.length) {
    return new AdytonError('peer-aborted', 'the peer ended the session and gave no readable reason')
  }
  const decoder = new TextDecoder()
  const code = sanitise(decoder.decode(payload.subarray(1, 1 + codeLength)))
  const message = sanitise(decoder.decode(payload.subarray(1 + codeLength)))
  const shared = ERROR_CODES.find((known) => known === code && SHARED_CODES.has(known))
  return new AdytonError(
    shared ?? 'peer-aborted',
    `the peer ended the session: ${message === '' ? 'no reason given' : message}${shared === undefined ? ` (${code})` : ''}`,
  )
}

/** Text of a peer made safe to show: control characters and those that reorder or hide text become spaces. */
export function sanitise(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}\p{Co}\p{Cn}]+/gu, ' ').trim()
}

function requireUnsigned(name: string, value: number, max: number): void {
  if (!Number.isInteger(value) || value < 0 || value > max) {
    throw new RangeError(`frame ${name} must be an integer from 0 to ${max}, got ${value}`)
  }
}
