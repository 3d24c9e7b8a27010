/** The client's cipher on our kernels: fresh randomness in every upload, and nothing secret left behind. */
import { randomBytes } from 'node:crypto'
import { fileURLToPath } from 'node:url'
import type * as Crypto from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { KernelCipher } from '../../core/he/cipher-kernel.ts'
import { generateKeys, HeClient, type HeKeys } from '../../core/he/client.ts'
import { heParameters, POLY_DEGREE } from '../../core/he/parameters.ts'
import { HeContext } from '../../core/he/seal.ts'
import { HeShape } from '../../core/he/shape.ts'
import { uploadBytes } from '../../core/he/wire.ts'
import type { HeEncryption, HeKernels } from '../../core/kernels/interface.ts'
import { loadKernels, referenceKernels } from '../../core/kernels/index.ts'
import { buildNative } from '../../core/setup/build-native.mjs'
import { CHI_SQUARE_LIMIT, chiSquare, concat, differences } from '../fixtures/statistics.ts'

const { built, reason } = await buildNative({ root: fileURLToPath(new URL('../..', import.meta.url)) })
if (!built) console.warn(`the reference stands in for the native kernels: ${reason}`)
const { he } = built ? loadKernels({ force: 'native' }) : referenceKernels

/** Lengths of randomBytes that give the same bytes every time: 64 for seeds, 16 for the key of the errors. */
const stuck = vi.hoisted(() => new Set<number>())
vi.mock('node:crypto', async (original) => {
  const actual = await original<typeof Crypto>()
  return {
    ...actual,
    randomBytes: (length: number) => (stuck.has(length) ? Buffer.alloc(length, 7) : actual.randomBytes(length)),
  }
})

const params = heParameters(32)
const plain = new Uint32Array(2 * POLY_DEGREE).map((_, i) => (i % 2 === 0 ? 1 : 0))
let context: HeContext
let keys: HeKeys

beforeAll(async () => {
  context = await HeContext.create(params, 'client')
  keys = generateKeys(context)
})
afterAll(() => context.delete())

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')

describe('on our kernels', () => {
  /** Uploads of one plaintext, with the randomness of these lengths taken away. */
  function uploads(count: number, without: readonly number[] = []): Uint8Array[] {
    const cipher = new KernelCipher(new HeShape(params), he, keys.secretKey)
    without.forEach((length) => stuck.add(length))
    try {
      return Array.from({ length: count }, () => cipher.encrypt(plain))
    } finally {
      stuck.clear()
      cipher.delete()
    }
  }
  const bodies = (list: readonly Uint8Array[]): Uint8Array[] => list.map((bytes) => bytes.subarray(0, -64))
  const seeds = (list: readonly Uint8Array[]): Set<string> => new Set(list.map((bytes) => hex(bytes.subarray(-64))))

  test('uploads of one plaintext are unrelated', () => {
    const made = uploads(8)
    expect(made[0].length).toBe(uploadBytes(params))
    expect(seeds(made).size).toBe(8)
    expect(chiSquare(concat(bodies(made)))).toBeLessThan(CHI_SQUARE_LIMIT)
    expect(chiSquare(differences(bodies(made)))).toBeLessThan(CHI_SQUARE_LIMIT)
  })

  test('and repeat without randomness; without fresh seeds they show the difference of their errors', () => {
    const same = uploads(2, [16, 64])
    expect(hex(same[0])).toBe(hex(same[1]))
    const related = uploads(2, [64])
    expect(seeds(related).size).toBe(1)
    expect(hex(related[0])).not.toBe(hex(related[1]))
    expect(chiSquare(differences(bodies(related)))).toBeGreaterThan(10 * CHI_SQUARE_LIMIT)
    // Errors that repeat do not show, so their freshness is tested where they are made.
    const drawn = new Set<string>()
    const cipher = new KernelCipher(
      new HeShape(params),
      watching((job) => drawn.add(hex(job.noise))),
      keys.secretKey,
    )
    for (let i = 0; i < 4; i++) cipher.encrypt(plain)
    expect(drawn.size).toBe(4)
    cipher.delete()
  })

  test('no key and no errors outlive their use', () => {
    const jobs: HeEncryption[] = []
    const cipher = new KernelCipher(
      new HeShape(params),
      watching((job) => jobs.push(job)),
      keys.secretKey,
    )
    cipher.encrypt(plain)
    const [{ key, noise }] = jobs
    expect(noise.every((byte) => byte === 0)).toBe(true)
    expect(key.words.some((word) => word !== 0)).toBe(true)
    cipher.delete()
    expect(key.words.every((word) => word === 0)).toBe(true)
  })

  /** The kernels, telling of every encryption before they make it. */
  function watching(seen: (job: HeEncryption) => void): HeKernels {
    return {
      ...he,
      encryptSeeded(ring, job) {
        seen(job)
        return he.encryptSeeded(ring, job)
      },
    }
  }

  test('need no context of SEAL, which node-seal does', () => {
    const shape = new HeShape(params)
    new HeClient(shape, keys.secretKey, he).delete()
    expect(() => new HeClient(shape, keys.secretKey)).toThrow(TypeError)
  })
})

test('the mock of this file lets real randomness through', () => {
  expect(hex(randomBytes(64))).not.toBe(hex(randomBytes(64)))
})
