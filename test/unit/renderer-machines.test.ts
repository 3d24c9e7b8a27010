/** Addresses, codes and fingerprints as the Two machines screen reads and writes them, against what core makes of them. */
import { randomBytes } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { formatFingerprint, shortFingerprint } from '../../core/channel/identity.ts'
import { formatCode, newCode } from '../../core/channel/pairing/code.ts'
import { MOST_MODELS } from '../../core/api/data/hosting.ts'
import { parsePlace } from '../../core/api/hosting/addresses.ts'
import { MAX_MODELS } from '../../core/protocol/hello.ts'
import {
  codeDigits,
  codeSpoken,
  codeText,
  countdown,
  fingerprintStart,
  fingerprintText,
  readPlace,
} from '../../renderer/machines/words.ts'

describe('addresses', () => {
  test.each(['192.168.1.20:8443', 'lab.example:1', '[2001:db8::1]:65535', '[::1]:80'])(
    '%s is read as core does',
    (text) => {
      expect(readPlace(` ${text}\n`)).toEqual(parsePlace(text))
      expect(readPlace(text)).toBeDefined()
    },
  )
  test.each(['', 'lab', 'lab:', 'lab:0', 'lab:65536', ':80', '::1:80', 'a b:80', 'http://lab:80'])(
    '%j is none',
    (text) => {
      expect(readPlace(text)).toBeUndefined()
    },
  )
})

test('codes are written as the server says them, and read however they are typed', () => {
  const code = newCode()
  expect(codeText(code)).toBe(formatCode(code))
  expect(codeDigits(`code: ${formatCode(code)}.`)).toBe(code)
  expect(codeDigits(code.replace(/^(...)/, '$1-'))).toBe(code)
  expect(codeDigits(`${code}123`)).toBe(code)
  expect(codeText('4829')).toBe('482 9')
  expect(codeSpoken('482915073')).toBe('4 8 2, 9 1 5, 0 7 3')
})

test('fingerprints are written as core writes them', () => {
  const hex = randomBytes(32).toString('hex')
  expect(fingerprintText(hex)).toBe(formatFingerprint(hex))
  expect(fingerprintStart(hex)).toBe(shortFingerprint(hex))
})

test.each([
  [600_000, '10:00'],
  [599_001, '10:00'],
  [61_000, '1:01'],
  [1, '0:01'],
  [0, '0:00'],
  [-5000, '0:00'],
])('%i ms are left as %s', (ms, text) => {
  expect(countdown(ms)).toBe(text)
})

test('a server is asked for no more models than a greeting holds', () => {
  expect(MOST_MODELS).toBe(MAX_MODELS)
})
