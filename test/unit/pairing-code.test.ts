import { describe, expect, test, vi } from 'vitest'
import {
  CODE_ATTEMPTS,
  CODE_LIFE_MS,
  formatCode,
  newCode,
  PairingDesk,
  parseCode,
} from '../../core/channel/pairing/code.ts'

const refused = (text: string): unknown =>
  expect.objectContaining({ code: 'peer-untrusted', message: expect.stringContaining(text) as unknown })

function desk() {
  const clock = { now: 1000 }
  const changed = vi.fn()
  return { clock, changed, desk: new PairingDesk(changed, () => clock.now) }
}

describe('a code', () => {
  test('has at least 26 bits, and all of its digits vary', () => {
    const codes = Array.from({ length: 400 }, newCode)
    for (const code of codes) expect(code).toMatch(/^\d{9}$/)
    expect(9 * Math.log2(10)).toBeGreaterThan(26)
    // A digit that takes fewer than ten values in 400 draws: probability below 10 * 0.9^400 < 10^-17 each.
    for (let i = 0; i < 9; i++) expect(new Set(codes.map((code) => code[i])).size).toBe(10)
  })

  test('is read with blanks and hyphens, and written in groups', () => {
    expect(formatCode('012345678')).toBe('012 345 678')
    for (const typed of ['012345678', '012 345 678', ' 012-345-678\n']) expect(parseCode(typed)).toBe('012345678')
    for (const typed of ['', '12345678', '0123456789', '01234567x', '٠١٢٣٤٥٦٧٨']) {
      expect(() => parseCode(typed)).toThrow(expect.objectContaining({ code: 'usage' }))
    }
    expect(() => parseCode('9876')).toThrow(
      expect.not.objectContaining({ message: expect.stringContaining('9876') as unknown }),
    )
  })
})

describe('a server', () => {
  test('that shows no code grants no attempt', () => {
    expect(() => desk().desk.attempt()).toThrow(refused('not open for pairing'))
  })

  test('grants three attempts for a code, whether they are finished or not', () => {
    const { desk: it, changed } = desk()
    it.open()
    const attempts = Array.from({ length: CODE_ATTEMPTS }, () => it.attempt())
    expect(it.current?.attempts).toBe(0)
    expect(() => it.attempt()).toThrow(refused('too often'))
    for (const attempt of attempts) attempt.fail()
    expect(it.current).toBeNull()
    expect(() => it.attempt()).toThrow(refused('too often'))
    expect(changed).toHaveBeenCalled()
  })

  test('lets the last attempt under way succeed while others fail', () => {
    const { desk: it } = desk()
    it.open()
    const [a, b, c] = [it.attempt(), it.attempt(), it.attempt()]
    a.fail()
    b.fail()
    c.succeed()
    expect(it.current).toBeNull()
  })

  test('takes a code once', () => {
    const { desk: it } = desk()
    it.open()
    const [first, second] = [it.attempt(), it.attempt()]
    first.succeed()
    expect(() => second.succeed()).toThrow(refused('was used'))
    expect(() => it.attempt()).toThrow(refused('was used'))
  })

  test('takes no code after ten minutes, also not one that was typed in time', () => {
    const { desk: it, clock } = desk()
    it.open()
    const early = it.attempt()
    clock.now += CODE_LIFE_MS - 1
    expect(it.current).not.toBeNull()
    clock.now += 1
    expect(it.current).toBeNull()
    expect(() => early.succeed()).toThrow(refused('expired'))
    expect(() => it.attempt()).toThrow(refused('expired'))
  })

  test('shows a new code in place of the last one, whose attempts are void and spend none of the new one', () => {
    const { desk: it } = desk()
    it.open()
    const first = it.current?.code
    const old = it.attempt()
    it.open()
    expect(it.current?.code).not.toBe(first)
    expect(() => old.succeed()).toThrow(refused('no longer open'))
    old.fail()
    expect(it.current?.attempts).toBe(CODE_ATTEMPTS)
    it.stop()
    expect(it.current).toBeNull()
    expect(() => it.attempt()).toThrow(refused('no longer open'))
  })
})
