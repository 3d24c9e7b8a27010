/** Control payloads, ids, greetings and aborts: what a peer may send, and what it is told. */
import fc from 'fast-check'
import { createHash } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import type { Channel } from '../../core/channel/channel.ts'
import { AdytonError, ERROR_CODES, type ErrorCode } from '../../core/errors/errors.ts'
import { abortWith } from '../../core/protocol/failure.ts'
import {
  checkVersion,
  clientHelloSchema,
  encodeHello,
  freshNonce,
  parseHello,
  PROTOCOL_VERSION,
  sessionId,
  type ClientHello,
} from '../../core/protocol/hello.ts'
import { checkId, packageId, parseRequest, Request, requestPayload, unpackShare } from '../../core/protocol/wire.ts'
import { pack, packedBytes } from '../../core/ring/packing.ts'
import { ring } from '../../core/ring/ring.ts'
import { testStream } from '../fixtures/transfers.ts'

const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length })

/** Code of the AdytonError that `work` throws. */
function refusal(work: () => unknown): string | undefined {
  try {
    work()
    return undefined
  } catch (error) {
    return error instanceof AdytonError ? error.code : String(error)
  }
}

describe('package ids', () => {
  test('are the first half of a hash of both nonces, in the order client, server', () => {
    const [client, server] = [new Uint8Array(16).fill(1), new Uint8Array(16).fill(2)]
    const hash = createHash('sha256').update(Buffer.concat([Buffer.from('adyton/1 package'), client, server]))
    expect(packageId(client, server)).toBe(hash.digest('hex').slice(0, 32))
    expect(packageId(server, client)).not.toBe(packageId(client, server))
  })

  test('change with either nonce', () => {
    fc.assert(
      fc.property(bytes(16), bytes(16), fc.nat(15), fc.integer({ min: 1, max: 255 }), (client, server, at, flip) => {
        const changed = (nonce: Uint8Array): Uint8Array => nonce.map((byte, i) => (i === at ? byte ^ flip : byte))
        const ids = [packageId(client, server), packageId(changed(client), server), packageId(client, changed(server))]
        expect(new Set(ids).size).toBe(3)
      }),
    )
  })

  test('refuses the id of another package', () => {
    const id = testStream('id').bytes(16)
    checkId(id, id.slice(), 'the server confirmed')
    expect(
      refusal(() =>
        checkId(
          id,
          id.map((byte, i) => (i === 15 ? byte ^ 1 : byte)),
          'the server confirmed',
        ),
      ),
    ).toBe('payload-invalid')
    expect(refusal(() => checkId(id, id.subarray(1), 'the server confirmed'))).toBe('payload-invalid')
  })
})

test('requests come back as they were made, and unknown ones are refused', () => {
  const nonce = testStream('nonce').bytes(16)
  for (const request of [Request.offline, Request.online]) {
    expect(parseRequest(requestPayload(request, nonce))).toEqual({ request, bytes: new Uint8Array(nonce) })
  }
  for (const code of [0, 3, 255]) {
    expect(refusal(() => parseRequest(Uint8Array.of(code, ...nonce)))).toBe('payload-invalid')
  }
})

test('a packed vector with a wrong length or padding bits is refused as the peer’s mistake', () => {
  const to = ring(13)
  const vector = testStream('vector').vector(to, 3)
  const packed = pack(vector)
  expect(unpackShare(to, 3, packed, 'share').words).toEqual(vector.words)
  // 39 bits leave one of the last byte.
  const padded = packed.map((byte, i) => (i === packed.length - 1 ? byte | 0x80 : byte))
  expect(refusal(() => unpackShare(to, 3, padded, 'share'))).toBe('payload-invalid')
  expect(refusal(() => unpackShare(to, 3, new Uint8Array(packedBytes(to, 3) + 1), 'share'))).toBe('payload-invalid')
})

describe('greetings', () => {
  const hello = (): ClientHello => ({
    protocol: PROTOCOL_VERSION,
    software: 'test',
    nonce: freshNonce(),
    model: null,
    planDigest: null,
    havePlan: false,
  })

  test('are new every time, and so is the id of the session', () => {
    const [a, b] = [hello(), hello()].map(encodeHello)
    expect(Buffer.from(a).equals(b)).toBe(false)
    const id = (x: Uint8Array, y: Uint8Array): string => Buffer.from(sessionId(x, y)).toString('hex')
    expect(new Set([id(a, a), id(a, b), id(b, a), id(b, b)]).size).toBe(4)
    // Where one greeting ends and the other begins makes a difference.
    expect(id(a, b)).not.toBe(id(new Uint8Array([...a, ...b.subarray(0, 1)]), b.subarray(1)))
  })

  test('are refused when anything is missing, added or of another kind', () => {
    const encode = (value: unknown): Uint8Array => new TextEncoder().encode(JSON.stringify(value))
    const parse = (payload: Uint8Array) => refusal(() => parseHello(clientHelloSchema, payload, 'client'))
    expect(parse(encodeHello(hello()))).toBeUndefined()
    for (const key of Object.keys(hello())) {
      expect(parse(encode({ ...hello(), [key]: undefined }))).toBe('payload-invalid')
      expect(parse(encode({ ...hello(), [key]: [1] }))).toBe('payload-invalid')
    }
    expect(parse(encode({ ...hello(), more: 1 }))).toBe('payload-invalid')
    expect(parse(encode({ ...hello(), nonce: 'A'.repeat(32) }))).toBe('payload-invalid')
    expect(parse(Uint8Array.of(0xff, 0xfe))).toBe('payload-invalid')
  })

  test('of another version are refused by name', () => {
    expect(refusal(() => checkVersion(PROTOCOL_VERSION, 'server'))).toBeUndefined()
    for (const version of [PROTOCOL_VERSION + 1, PROTOCOL_VERSION - 1]) {
      expect(refusal(() => checkVersion(version, 'client'))).toBe('version-mismatch')
    }
  })
})

describe('an abort', () => {
  /** What the peer is told about an error. */
  async function told(error: unknown): Promise<[string, string]> {
    let said: [string, string] = ['', '']
    const channel = { abort: async (code: string, message: string) => void (said = [code, message]) }
    await abortWith(channel as unknown as Channel, error, 'server')
    return said
  }

  test('says nothing of this machine to the peer', async () => {
    const secret = 'weights.safetensors on /data, 17'
    const hidden: ErrorCode[] = [
      'store-failed',
      'package-corrupt',
      'file-corrupt',
      'model-invalid',
      'model-overflow',
      'internal',
    ]
    for (const code of hidden)
      expect(await told(new AdytonError(code, secret))).toEqual([code, expect.not.stringContaining('17')])
    for (const bug of [new RangeError(secret), new TypeError(secret), secret]) {
      expect(await told(bug)).toEqual(['internal', expect.not.stringContaining('17')])
    }
  })

  test('names what the peer did, and keeps every code', async () => {
    expect(await told(new AdytonError('payload-invalid', 'the masked image is short'))).toEqual([
      'payload-invalid',
      'the masked image is short',
    ])
    for (const code of ERROR_CODES) expect((await told(new AdytonError(code, 'x')))[0]).toBe(code)
  })
})
