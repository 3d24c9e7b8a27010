/** What a faulty or hostile peer may send: every malformed message is refused before SEAL sees it. */
import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { AdytonError, type ErrorCode } from '../../core/errors/errors.ts'
import { generateKeys, HeClient, type HeKeys } from '../../core/he/client.ts'
import { resultCoefficients } from '../../core/he/encoding.ts'
import { layoutOf } from '../../core/he/layout.ts'
import { heParameters, POLY_DEGREE, primesOf } from '../../core/he/parameters.ts'
import { HeContext } from '../../core/he/seal.ts'
import { HeServer } from '../../core/he/server.ts'
import { answerBytes, publicKeyBytes, unpackAnswer, uploadBytes } from '../../core/he/wire.ts'
import { Prg } from '../../core/ring/prg.ts'
import { ring } from '../../core/ring/ring.ts'
import { zeros } from '../../core/ring/vector.ts'
import { EVALUATORS, geometry, transformed } from '../fixtures/he-reference.ts'

const params = heParameters(59)
const g = geometry({ inChannels: 2, outChannels: 2, inHeight: 4, inWidth: 4, kernelHeight: 3, kernelWidth: 3 })
const layout = layoutOf(g, { channels: 2, outputs: 2, height: 4, width: 4 }, POLY_DEGREE)
let clientContext: HeContext
let serverContext: HeContext
let keys: HeKeys
let client: HeClient
let server: HeServer
let upload: Uint8Array
let answer: Uint8Array

beforeAll(async () => {
  clientContext = await HeContext.create(params, 'client')
  serverContext = await HeContext.create(params, 'server')
  keys = generateKeys(clientContext)
  client = new HeClient(clientContext, keys.secretKey)
  server = new HeServer(serverContext, keys.publicKey, EVALUATORS[0])
  upload = client.encrypt(layout, new Prg(randomBytes(16)).vector(ring(59), 32), 0)
  const input = transformed(server, [upload])
  answer = server.answer(layout, new Int32Array(36).fill(1), 0, { start: 0, end: 1 }, input, randomBytes(16))[0].bytes
})

afterAll(() => {
  for (const held of [client, server, clientContext, serverContext]) held.delete()
})

function codeOf(work: () => unknown): string {
  try {
    work()
  } catch (error) {
    return error instanceof AdytonError ? error.code : String(error)
  }
  return 'accepted'
}

/** `bytes` with the first residue of the i-th polynomial part set to exactly its prime. */
function withPrime(bytes: Uint8Array, at: number, prime: bigint): Uint8Array {
  const out = bytes.slice()
  for (let i = 0; i < 6; i++) out[at + i] = Number((prime >> BigInt(8 * i)) & 255n)
  out[at + 6] = (out[at + 6] & ~63) | Number(prime >> 48n)
  return out
}

const part = (54 * POLY_DEGREE) / 8

test('wire sizes are exact', () => {
  expect(upload.length).toBe(uploadBytes(params))
  expect(uploadBytes(params)).toBe(3 * part + 64)
  expect(keys.publicKey.length).toBe(publicKeyBytes(params))
  expect(publicKeyBytes(params)).toBe(4 * part + 64)
  expect(answer.length).toBe(answerBytes(params, 8))
})

test('no header of SEAL is on the wire', () => {
  for (const bytes of [upload, answer, keys.publicKey])
    expect([...bytes.subarray(0, 3)]).not.toEqual([0x5e, 0xa1, 0x10])
})

describe.each([
  ['upload', () => upload, (bytes: Uint8Array) => server.transform(bytes, 0)],
  [
    'public key',
    () => keys.publicKey,
    (bytes: Uint8Array) => new HeServer(serverContext, bytes, EVALUATORS[0]).delete(),
  ],
  [
    'answer',
    () => answer,
    (bytes: Uint8Array) => {
      const [ours, theirs] = EVALUATORS.map((kernels) => {
        const reader = new HeClient(clientContext, keys.secretKey, kernels)
        try {
          return codeOf(() => reader.decrypt(layout, bytes, 0, zeros(ring(59), 8)))
        } finally {
          reader.delete()
        }
      })
      expect(theirs ?? ours).toBe(ours)
      if (ours !== 'accepted') throw new AdytonError(ours as ErrorCode, 'refused by both')
    },
  ],
] as const)('%s', (_, good, take) => {
  test('is accepted as it came', () => {
    expect(codeOf(() => take(good()))).toBe('accepted')
  })

  test('of another length is refused', () => {
    for (const length of [0, 1, good().length - 1])
      expect(codeOf(() => take(good().slice(0, length)))).toBe('payload-invalid')
    expect(codeOf(() => take(new Uint8Array(Buffer.concat([good(), Buffer.of(0)]))))).toBe('payload-invalid')
  })

  test('with a coefficient that is not below its prime is refused', () => {
    for (let i = 0; i < 3; i++) {
      const prime = primesOf(params)[i]
      expect(codeOf(() => take(withPrime(good(), i * part, prime)))).toBe('payload-invalid')
      expect(codeOf(() => take(withPrime(good(), i * part, prime - 1n)))).toBe('accepted')
    }
    const ones = good().slice()
    ones.fill(0xff, part - 7, part)
    expect(codeOf(() => take(ones))).toBe('payload-invalid')
  })
})

test('the results of an answer are checked like its second polynomial', () => {
  const bad = withPrime(answer, 3 * part, primesOf(params)[0])
  const into = clientContext.ciphertextBuffer('answer', false)
  expect(codeOf(() => unpackAnswer(clientContext, bad, resultCoefficients(layout, 0), into.words, 'answer'))).toBe(
    'payload-invalid',
  )
})

test('a stored secret key of another size or with coefficients out of range is refused', () => {
  for (const kernels of EVALUATORS) {
    const take = (key: Uint8Array) => codeOf(() => new HeClient(clientContext, key, kernels).delete())
    expect(take(keys.secretKey)).toBe('accepted')
    expect(take(keys.secretKey.subarray(8))).toBe('package-corrupt')
    expect(take(new Uint8Array(0))).toBe('package-corrupt')
    expect(take(new Uint8Array(keys.secretKey.length).fill(255))).toBe('package-corrupt')
  }
  expect(codeOf(() => clientContext.loadSecretKey(keys.secretKey.subarray(8)))).toBe('package-corrupt')
  expect(codeOf(() => clientContext.loadSecretKey(new Uint8Array(keys.secretKey.length).fill(255)))).toBe(
    'package-corrupt',
  )
  const again = clientContext.loadSecretKey(keys.secretKey)
  expect(clientContext.secretKeyBytes(again)).toEqual(keys.secretKey)
  again.delete()
})
