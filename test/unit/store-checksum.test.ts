/** The checksum of a package's sections, against the definition of GMAC and against damage. */
import { createCipheriv } from 'node:crypto'
import { expect, test } from 'vitest'
import { Checksum } from '../../core/protocol/store/checksum.ts'
import { derive } from '../../core/ring/prg.ts'
import { testStream } from '../fixtures/transfers.ts'

const ID = '000102030405060708090a0b0c0d0e0f'
const of = (bytes: Uint8Array, id = ID, section = 'tables'): string => {
  const checksum = new Checksum(id, section)
  checksum.update(bytes)
  return checksum.digest()
}

/** A product in GF(2^128) as GCM has it (NIST SP 800-38D, algorithm 1). */
function multiply(x: bigint, y: bigint): bigint {
  let [z, v] = [0n, y]
  for (let i = 127n; i >= 0n; i--) {
    if (((x >> i) & 1n) === 1n) z ^= v
    v = (v & 1n) === 1n ? (v >> 1n) ^ (0xe1n << 120n) : v >> 1n
  }
  return z
}

test('is GMAC under a key of the package and the section', () => {
  const bytes = testStream('checksum').bytes(100)
  const key = derive(Buffer.from(ID, 'hex'), 'checksum tables', 16)
  const aes = (block: bigint): bigint => {
    const cipher = createCipheriv('aes-128-ecb', key, null).setAutoPadding(false)
    return BigInt(`0x${cipher.update(block.toString(16).padStart(32, '0'), 'hex', 'hex')}`)
  }
  const h = aes(0n)
  const blocks = Buffer.concat([bytes, Buffer.alloc(12)])
  let y = 0n
  for (let at = 0; at < blocks.length; at += 16) {
    y = multiply(y ^ BigInt(`0x${blocks.toString('hex', at, at + 16)}`), h)
  }
  y = multiply(y ^ (800n << 64n), h)
  expect(of(bytes)).toBe((y ^ aes(1n)).toString(16).padStart(32, '0'))
})

test('does not depend on how the bytes come, and on every bit of them', () => {
  const bytes = testStream('checksum').bytes(3000)
  const whole = of(bytes)
  for (const size of [1, 17, 2999]) {
    const checksum = new Checksum(ID, 'tables')
    for (let at = 0; at < bytes.length; at += size) checksum.update(bytes.subarray(at, at + size))
    expect(checksum.digest()).toBe(whole)
  }
  for (const at of [0, 1, 1500, 2999]) {
    const damaged = bytes.slice()
    damaged[at] ^= 0x40
    expect(of(damaged)).not.toBe(whole)
  }
  expect(of(bytes.subarray(1))).not.toBe(whole)
  expect(of(new Uint8Array([...bytes, 0]))).not.toBe(whole)
  // A section that lies in another package, or under another name.
  expect(of(bytes, ID.replace('00', '01'))).not.toBe(whole)
  expect(of(bytes, ID, 'head')).not.toBe(whole)
})
