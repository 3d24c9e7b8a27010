/** Seeds of a package from those of a pairing: right, fresh for every package, bound to it. */
import { describe, expect, it } from 'vitest'
import { AdytonError } from '../../core/errors/errors.ts'
import { referenceKernels as kernels } from '../../core/kernels/index.ts'
import { bitAt } from '../../core/ot/bits.ts'
import {
  PACKAGE_SEED_BYTES,
  packageClientFinish,
  packageKeys,
  packageServerStart,
  PAIRING_CLIENT_BYTES,
  PAIRING_SERVER_BYTES,
  pairingClientFinish,
  pairingClientStart,
  pairingServerRespond,
  type ClientPairing,
  type ServerPairing,
} from '../../core/ot/bootstrap.ts'
import { TREE_BITS } from '../../core/ot/extension.ts'
import { Prg } from '../../core/ring/prg.ts'
import { testEnds, testSeeds, testStream, wrongTransfers } from '../fixtures/transfers.ts'

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')
const id = (n: number): Uint8Array => new Uint8Array(16).fill(n)
const seed = (n: number): Uint8Array => new Uint8Array(32).fill(n)

/** A pairing as base transfers would leave it. */
function testPairing(): { client: ClientPairing; server: ServerPairing } {
  const { delta, pairs, chosen } = testSeeds(testStream('pairing'))
  return { client: { delta, seeds: chosen }, server: { seeds: pairs } }
}

/** Columns of the server's message: the nonce stands before them. */
const columns = (message: Uint8Array): Uint8Array => message.subarray(16)
const xor = (a: Uint8Array, b: Uint8Array): Uint8Array => a.map((v, i) => v ^ b[i])

function chosenSeeds(delta: Uint8Array, pairs: Uint8Array): string[] {
  return Array.from({ length: 128 }, (_, i) => hex(pairs.subarray((2 * i + bitAt(delta, i)) * 16).subarray(0, 16)))
}
const blocks = (bytes: Uint8Array): string[] =>
  Array.from({ length: bytes.length / 16 }, (_, i) => hex(bytes.subarray(16 * i, 16 * i + 16)))

describe('bootstrap of OT extension', () => {
  it('runs from pairing to transfers', () => {
    const sid = new TextEncoder().encode('pairing')
    const start = pairingClientStart(sid)
    const { message, pairing: server } = pairingServerRespond(start.message, sid)
    expect([start.message.length, message.length]).toEqual([PAIRING_CLIENT_BYTES, PAIRING_SERVER_BYTES])
    const client = pairingClientFinish(start.state, message)
    // Each pairing has a correlation of its own.
    expect(hex(pairingClientStart(sid).state.choices)).not.toBe(hex(client.delta))

    const made = packageServerStart(kernels, server, id(1), seed(1))
    expect(made.message.length).toBe(PACKAGE_SEED_BYTES)
    const pairs = packageClientFinish(kernels, client, id(1), made.message)
    expect(blocks(made.own.seeds)).toEqual(chosenSeeds(made.own.delta, pairs))

    const choices = testStream('bootstrap').bytes(40)
    const { sender, receiver } = testEnds(kernels, { ...made.own, chosen: made.own.seeds, pairs }, TREE_BITS)
    const { message: u, labels } = receiver.extend(choices, 320)
    const q = sender.extend(320, u)
    expect(wrongTransfers(q, labels, choices, made.own.delta)).toEqual([])
  })

  it('keeps the seed of the other choice from the server', () => {
    const { client, server } = testPairing()
    const { message, own } = packageServerStart(kernels, server, id(1), seed(1))
    const pairs = blocks(packageClientFinish(kernels, client, id(1), message))
    expect(new Set(pairs).size).toBe(256)
    const held = new Set(blocks(own.seeds))
    expect(pairs.filter((pair) => held.has(pair)).length).toBe(128)
    // Without the hash every pair would differ by the same correlation.
    const differences = Array.from({ length: 128 }, (_, i) =>
      hex(xor(Buffer.from(pairs[2 * i], 'hex'), Buffer.from(pairs[2 * i + 1], 'hex'))),
    )
    expect(new Set(differences).size).toBe(128)
  })

  it('gives every package a delta, keystreams and seeds of its own', () => {
    const { client, server } = testPairing()
    // Another id, another seed, both; and the seed of one package given to another by mistake.
    const packages = [
      [1, 1],
      [2, 1],
      [1, 2],
      [3, 3],
    ].map(([i, s]) => {
      const made = packageServerStart(kernels, server, id(i), seed(s))
      return { ...made, pairs: packageClientFinish(kernels, client, id(i), made.message) }
    })
    for (const made of packages) expect(made.own.delta[0] & 1).toBe(1)
    expect(new Set(packages.map((p) => hex(p.own.delta))).size).toBe(packages.length)
    expect(new Set(packages.flatMap((p) => blocks(p.pairs))).size).toBe(256 * packages.length)
    for (const [a, b] of [
      [0, 1],
      [0, 2],
      [1, 2],
      [0, 3],
    ]) {
      const [x, y] = [packages[a], packages[b]]
      const deltas = xor(x.own.delta, y.own.delta)
      const columnsXor = xor(columns(x.message), columns(y.message))
      // Two columns under one keystream would show the difference of the deltas.
      for (let i = 0; i < 128; i++) expect(hex(columnsXor.subarray(16 * i, 16 * i + 16))).not.toBe(hex(deltas))
    }
  })

  it('repeats the same bytes for the same package, and works out of order and after abandoned packages', () => {
    const { client, server } = testPairing()
    const [first, , third] = [1, 2, 3].map((n) => packageServerStart(kernels, server, id(n), seed(n)))
    expect(hex(packageServerStart(kernels, server, id(1), seed(1)).message)).toBe(hex(first.message))
    for (const [n, made] of [
      [3, third],
      [1, first],
    ] as const) {
      const pairs = packageClientFinish(kernels, client, id(n), made.message)
      expect(blocks(made.own.seeds)).toEqual(chosenSeeds(made.own.delta, pairs))
    }
  })

  it('gives other seeds for another package id, a moved or a changed message', () => {
    const { client, server } = testPairing()
    const { message, own } = packageServerStart(kernels, server, id(1), seed(1))
    const matching = (packageId: Uint8Array, received: Uint8Array): number => {
      const chosen = chosenSeeds(own.delta, packageClientFinish(kernels, client, packageId, received))
      return blocks(own.seeds).filter((s, i) => s === chosen[i]).length
    }
    expect(matching(id(1), message)).toBe(128)
    expect(matching(id(2), message)).toBe(0)
    const nonce = message.slice()
    nonce[0] ^= 1
    expect(matching(id(1), nonce)).toBe(0)
    // One bit of a column where the client's correlation has a one spoils one transfer.
    const column = Array.from({ length: 128 }, (_, i) => i).find((i) => bitAt(client.delta, i) === 1) ?? 0
    const flipped = message.slice()
    flipped[16 + 16 * column + 4] ^= 2
    expect(matching(id(1), flipped)).toBe(127)
  })

  it('hides delta from a client that knows one stream of each column', () => {
    const { client, server } = testPairing()
    const { message, own } = packageServerStart(kernels, server, id(9), seed(9))
    const nonce = message.slice(0, 16)
    const keys = packageKeys(client.seeds, id(9), nonce)
    const both = packageKeys(server.seeds, id(9), nonce)
    const stream = (all: Uint8Array, at: number): Uint8Array => new Prg(all.slice(16 * at, 16 * at + 16)).bytes(16)
    let equal = 0
    for (let i = 0; i < 128; i++) {
      const column = columns(message).slice(16 * i, 16 * i + 16)
      const unmasked = xor(column, stream(keys, i))
      for (let j = 0; j < 128; j++) if (bitAt(unmasked, j) === bitAt(own.delta, j)) equal++
      // The control: under the stream that the client lacks there is delta.
      const lacking = stream(both, 2 * i + 1 - bitAt(client.delta, i))
      expect(hex(xor(unmasked, lacking))).toBe(hex(own.delta))
    }
    // 16384 bits; bits of independent strings agree 8192 +- 64 times.
    expect(Math.abs(equal - 8192)).toBeLessThan(6 * 64)
  })

  it('refuses wrong lengths', () => {
    const { client, server } = testPairing()
    const { message } = packageServerStart(kernels, server, id(1), seed(1))
    for (const bad of [message.subarray(1), new Uint8Array(PACKAGE_SEED_BYTES + 1), new Uint8Array(0)]) {
      expect(() => packageClientFinish(kernels, client, id(1), bad)).toThrow(AdytonError)
    }
    expect(() => packageServerStart(kernels, server, new Uint8Array(4), seed(1))).toThrow(RangeError)
    expect(() => packageServerStart(kernels, server, id(1), new Uint8Array(16))).toThrow(RangeError)
  })
})
