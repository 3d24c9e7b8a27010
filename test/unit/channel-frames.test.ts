import { describe, expect, test } from 'vitest'
import type { Expected } from '../../core/channel/channel.ts'
import {
  MAX_ABORT_BYTES,
  checkHeader,
  decodeAbort,
  decodeHeader,
  encodeAbort,
  encodeHeader,
  sanitise,
} from '../../core/channel/frames.ts'
import { MESSAGES, NO_STEP, messageKind, messageName } from '../../core/channel/messages.ts'
import { AdytonError } from '../../core/errors/errors.ts'

const good = { version: 1, type: MESSAGES.labels, step: 7, sequence: 3, length: 100 }
const due: Expected = { type: MESSAGES.labels, step: 7, length: 100 }

function codeOf(run: () => unknown): string {
  try {
    run()
  } catch (error) {
    if (error instanceof AdytonError) return error.code
    throw error
  }
  return 'accepted'
}

describe('frame header', () => {
  test('lies on the wire as documented, little-endian', () => {
    const bytes = encodeHeader({ version: 1, type: 0x14, step: 0x0102, sequence: 0x0304_0506, length: 0x0708_090a })
    expect(Buffer.from(bytes).toString('hex')).toBe('01140201060504030a090807')
  })

  test('comes back as it was, also from the middle of a buffer', () => {
    const header = { version: 1, type: 255, step: NO_STEP, sequence: 0xffff_ffff, length: 0xffff_fffe }
    const around = new Uint8Array(40)
    around.set(encodeHeader(header), 5)
    expect(decodeHeader(around.subarray(5, 17))).toEqual(header)
  })

  test('refuses fields that do not fit', () => {
    for (const [field, value] of [
      ['type', 256],
      ['step', 0x10000],
      ['sequence', 2 ** 32],
      ['length', 2 ** 32],
      ['length', -1],
      ['step', 1.5],
    ] as const) {
      expect(() => encodeHeader({ ...good, [field]: value }), `${field} ${value}`).toThrow(RangeError)
    }
    expect(() => decodeHeader(new Uint8Array(11))).toThrow(RangeError)
  })

  test('is checked field by field', () => {
    const check = (change: object, expected: Expected = due): string =>
      codeOf(() => checkHeader({ ...good, ...change }, expected, 3))
    expect(check({})).toBe('accepted')
    expect(check({ version: 2 })).toBe('version-mismatch')
    expect(check({ sequence: 2 })).toBe('frame-unexpected')
    expect(check({ sequence: 4 })).toBe('frame-unexpected')
    expect(check({ type: MESSAGES.colours })).toBe('frame-unexpected')
    expect(check({ step: 8 })).toBe('frame-unexpected')
    expect(check({ length: 101 })).toBe('frame-too-large')
    expect(check({ length: 99 })).toBe('frame-invalid')
    const range = { ...due, length: { min: 50, max: 100 } }
    expect(check({ length: 50 }, range)).toBe('accepted')
    expect(check({}, range)).toBe('accepted')
    expect(check({ length: 49 }, range)).toBe('frame-invalid')
    expect(check({ length: 101 }, range)).toBe('frame-too-large')
  })

  test('of an abort or a close is accepted in place of anything, but only small and for no step', () => {
    const control = (type: number, length: number, step = NO_STEP): string =>
      codeOf(() => checkHeader({ ...good, type, length, step }, due, 3))
    expect(control(MESSAGES.abort, MAX_ABORT_BYTES)).toBe('accepted')
    expect(control(MESSAGES.abort, MAX_ABORT_BYTES + 1)).toBe('frame-too-large')
    expect(control(MESSAGES.abort, 10, 7)).toBe('frame-invalid')
    expect(control(MESSAGES.close, 0)).toBe('accepted')
    expect(control(MESSAGES.close, 1)).toBe('frame-too-large')
  })

  test('is described by name in errors', () => {
    expect(() => checkHeader({ ...good, type: 77 }, due, 3)).toThrow(
      'the peer sent unknown message 77 of step 7 where labels of step 7 was due',
    )
  })
})

describe('abort', () => {
  test('carries the code and the message', () => {
    const error = decodeAbort(encodeAbort('cancelled', 'package 12 was used'))
    expect(error.code).toBe('peer-aborted')
    expect(error.message).toBe('the peer ended the session: package 12 was used (cancelled)')
  })

  test('keeps codes that mean the same on both sides', () => {
    expect(decodeAbort(encodeAbort('package-used', 'package 12 was used')).code).toBe('package-used')
    expect(decodeAbort(encodeAbort('model-mismatch', 'another model')).code).toBe('model-mismatch')
    expect(decodeAbort(encodeAbort('internal', 'oops')).code).toBe('peer-aborted')
  })

  test('fits its limit and cuts between characters', () => {
    const payload = encodeAbort('internal', '€'.repeat(1000))
    expect(payload.length).toBeLessThanOrEqual(MAX_ABORT_BYTES)
    expect(payload.length).toBeGreaterThan(MAX_ABORT_BYTES - 3)
    expect(decodeAbort(payload).message).not.toContain('\ufffd')
  })

  test('of a hostile peer is shown without control characters and never breaks', () => {
    const nasty = 'a\u001b[31mb\r\nc\u0000d\u202ee\u2028f'
    expect(decodeAbort(encodeAbort('internal', nasty)).message).toBe(
      'the peer ended the session: a [31mb c d e f (internal)',
    )
    expect(sanitise('plain text, ünï €')).toBe('plain text, ünï €')
    for (const payload of [[], [5], [255, 1, 2], [0], [3, 0xff, 0xfe, 0xfd, 0xff]]) {
      expect(decodeAbort(new Uint8Array(payload)).code).toBe('peer-aborted')
    }
  })

  test('does not send a code that is none', () => {
    expect(decodeAbort(encodeAbort('Not A Code\n', 'x')).message).toContain('(internal)')
  })
})

test('message types are distinct bytes, each with a name and a kind', () => {
  const types = Object.values(MESSAGES)
  expect(new Set(types).size).toBe(types.length)
  for (const [name, type] of Object.entries(MESSAGES)) {
    expect(type).toBeGreaterThan(0)
    expect(type).toBeLessThan(256)
    expect(messageName(type)).toBe(name)
    expect(['he', 'gc', 'ot', 'share', 'control']).toContain(messageKind(type))
  }
  expect(messageKind(MESSAGES.tables)).toBe('gc')
  expect(messageName(99)).toBe('unknown message 99')
})
