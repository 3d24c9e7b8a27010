import { networkInterfaces } from 'node:os'
import { expect, test } from 'vitest'
import { parsePlace, reachable } from '../../core/api/hosting/addresses.ts'
import { place } from '../../core/channel/tls-errors.ts'

test('addresses are read as they are written', () => {
  for (const [host, port] of [
    ['192.0.2.7', 7373],
    ['machine.example', 1],
    ['2001:db8::7', 65535],
  ] as const) {
    expect(parsePlace(place(host, port))).toEqual({ host, port })
  }
  for (const text of ['', 'host', 'host:', ':7', '2001:db8::7:7', 'host:123456', '[::1]', 'a:b:1']) {
    expect(parsePlace(text)).toBeUndefined()
  }
})

test('only what other machines can reach is shown', () => {
  expect(reachable('127.0.0.1', 7373)).toEqual([])
  expect(reachable('::1', 7373)).toEqual([])
  expect(reachable('192.0.2.7', 7373)).toEqual(['192.0.2.7:7373'])
  const own = Object.values(networkInterfaces()).flatMap((all) => all ?? [])
  const all = reachable('::', 7373)
  for (const { address, internal } of own) {
    if (internal || address.startsWith('fe80:')) expect(all).not.toContain(place(address, 7373))
    else expect(all).toContain(place(address, 7373))
  }
  for (const one of reachable('0.0.0.0', 7373)) expect(one).not.toContain('[')
})
