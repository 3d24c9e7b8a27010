import { randomBytes } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { AdytonError } from '../../core/errors/errors.ts'
import { stepMask } from '../../core/he/mask.ts'
import { heParameters, POLY_DEGREE } from '../../core/he/parameters.ts'
import { HePool } from '../../core/he/pool.ts'
import type { KernelChoice } from '../../core/kernels/index.ts'
import { chooseTiling, tilingCounts } from '../../core/he/tiling.ts'
import { uploadBytes } from '../../core/he/wire.ts'
import { Prg } from '../../core/ring/prg.ts'
import { ring } from '../../core/ring/ring.ts'
import { add, equal } from '../../core/ring/vector.ts'
import { directConv, geometry, inputLength, weightLength } from '../fixtures/he-reference.ts'

/** What of WebAssembly this test needs; the project's TypeScript libraries leave out the DOM's. */
interface WasmMemory {
  readonly buffer: ArrayBuffer
}
interface Wasm {
  readonly Memory: new (...args: never[]) => WasmMemory
  instantiate(...args: unknown[]): Promise<{ instance: { exports: Record<string, unknown> } }>
}

// Watches SEAL's heap: its module is instantiated after this file has been loaded.
const memories: WasmMemory[] = []
const wasm = (globalThis as unknown as { WebAssembly: Wasm }).WebAssembly
const instantiate = wasm.instantiate.bind(wasm)
wasm.instantiate = async (...args) => {
  const made = await instantiate(...args)
  for (const value of Object.values(made.instance.exports)) if (value instanceof wasm.Memory) memories.push(value)
  return made
}

const params = heParameters(37)
const r = ring(37)
const g = geometry({
  inChannels: 6,
  outChannels: 10,
  inHeight: 20,
  inWidth: 20,
  kernelHeight: 3,
  kernelWidth: 3,
  padding: 1,
})
const step = { geometry: g, tiling: { channels: 2, outputs: 5, height: 22, width: 12 } }
const share = new Prg(randomBytes(16)).vector(r, inputLength(g))
const weights = new Int32Array(new Uint8Array(randomBytes(4 * weightLength(g))).buffer).map((w) => w >> 20)
const counts = tilingCounts(g, step.tiling, POLY_DEGREE)

async function withPool<T>(
  threads: number,
  work: (pool: HePool) => Promise<T>,
  kernels: KernelChoice | undefined = undefined,
): Promise<T> {
  const pool = await HePool.create(threads, { kernels })
  try {
    return await work(pool)
  } finally {
    await pool.close()
  }
}

async function codeOf(work: Promise<unknown>): Promise<string> {
  return work.then(
    () => 'resolved',
    (error: unknown) => (error instanceof AdytonError ? error.code : String(error)),
  )
}

describe.each([0, 2])('HePool with %i worker threads', (threads) => {
  test('does a step of several tiles, blocks and runs', async () => {
    expect(counts).toMatchObject({ inputs: 6, products: 12, answers: 4 })
    await withPool(threads, async (pool) => {
      const { secretKey, publicKey } = await pool.generateKeys(params)
      const order: string[] = []
      const watch = (what: string) => (index: number, bytes: Uint8Array) =>
        order.push(`${what} ${index} ${bytes.length > 0}`)
      const uploads = await pool.encrypt(params, secretKey, step, share, { onCiphertext: watch('upload') })
      const key = new Uint8Array(randomBytes(16))
      async function* arriving(): AsyncGenerator<Uint8Array> {
        for (const upload of uploads) {
          await new Promise((resolve) => setImmediate(resolve))
          yield upload
        }
      }
      const options = { onCiphertext: watch('answer') }
      const { answers, share: kept } = await pool.evaluate(params, publicKey, step, weights, arriving(), key, options)
      const got = await pool.decrypt(params, secretKey, step, answers)
      expect(equal(add(got, kept), directConv(share, weights, g))).toBe(true)
      expect(equal(kept, stepMask(params, step, key))).toBe(true)
      expect(order).toEqual([
        ...Array.from({ length: 6 }, (_, i) => `upload ${i} true`),
        ...Array.from({ length: 4 }, (_, i) => `answer ${i} true`),
      ])
    })
  })

  test('refuses a malformed upload, and works on afterwards', async () => {
    await withPool(threads, async (pool) => {
      const { secretKey, publicKey } = await pool.generateKeys(params)
      const uploads = await pool.encrypt(params, secretKey, step, share)
      const key = new Uint8Array(randomBytes(16))
      const evaluate = (inputs: Uint8Array[]): Promise<string> =>
        codeOf(pool.evaluate(params, publicKey, step, weights, inputs, key))
      expect(await evaluate(uploads.with(3, new Uint8Array(uploads[3].length).fill(255)))).toBe('payload-invalid')
      expect(await evaluate(uploads.with(5, uploads[5].subarray(1)))).toBe('payload-invalid')
      expect(await evaluate(uploads.slice(1))).toBe('payload-invalid')
      expect(await evaluate([...uploads, uploads[0]])).toBe('payload-invalid')
      expect(await codeOf(pool.decrypt(params, secretKey, step, []))).toBe('payload-invalid')
      expect(await codeOf(pool.evaluate(params, publicKey.subarray(1), step, weights, uploads, key))).toBe(
        'payload-invalid',
      )
      const bad = { ...step, tiling: { ...step.tiling, outputs: 99 } }
      expect(await codeOf(pool.encrypt(params, secretKey, bad, share))).toBe('plan-invalid')
      expect(await evaluate(uploads)).toBe('resolved')
    })
  })

  test('stops when its signal is raised, also while it waits for an upload', async () => {
    await withPool(threads, async (pool) => {
      const { secretKey, publicKey } = await pool.generateKeys(params)
      const stop = new AbortController()
      const seen: number[] = []
      const work = pool.encrypt(params, secretKey, step, share, {
        signal: stop.signal,
        onCiphertext: (index) => {
          seen.push(index)
          stop.abort()
        },
      })
      expect(await codeOf(work)).toBe('cancelled')
      expect(await codeOf(pool.encrypt(params, secretKey, step, share, { signal: stop.signal }))).toBe('cancelled')
      expect(seen).toEqual([0])
      const waiting = new AbortController()
      const never: AsyncIterable<Uint8Array> = {
        [Symbol.asyncIterator]: () => ({ next: () => new Promise(() => undefined) }),
      }
      const key = new Uint8Array(randomBytes(16))
      const stuck = pool.evaluate(params, publicKey, step, weights, never, key, { signal: waiting.signal })
      setImmediate(() => waiting.abort())
      expect(await codeOf(stuck)).toBe('cancelled')
      expect(await pool.encrypt(params, secretKey, step, share)).toHaveLength(6)
    })
  })

  test('rejects what is unfinished when it is closed', async () => {
    const pool = await HePool.create(threads)
    const { secretKey } = await pool.generateKeys(params)
    const work = codeOf(pool.encrypt(params, secretKey, step, share))
    await pool.close()
    expect(await work).toBe('cancelled')
    expect(await codeOf(pool.generateKeys(params))).toBe('cancelled')
  })
})

test('keys work in another pool', async () => {
  const keys = await withPool(0, (pool) => pool.generateKeys(params))
  const uploads = await withPool(0, (pool) => pool.encrypt(params, keys.secretKey, step, share))
  const key = new Uint8Array(randomBytes(16))
  await withPool(0, async (pool) => {
    const { answers, share: kept } = await pool.evaluate(params, keys.publicKey, step, weights, uploads, key)
    const got = await pool.decrypt(params, keys.secretKey, step, answers)
    expect(equal(add(got, kept), directConv(share, weights, g))).toBe(true)
  })
})

test('a thread that waits for SEAL gives each job its own result', async () => {
  const maker = await HePool.create(0)
  const keys = await maker.generateKeys(params)
  await maker.close()
  const pool = await HePool.create(1)
  // Keys need SEAL, which has to be compiled; the uploads behind them do not where kernels are native.
  const [made, uploads] = await Promise.all([
    pool.generateKeys(params),
    pool.encrypt(params, keys.secretKey, step, share),
  ])
  expect(made.publicKey).toHaveLength(keys.publicKey.length)
  expect(made.secretKey).toHaveLength(keys.secretKey.length)
  expect(uploads.map(({ length }) => length)).toEqual(uploads.map(() => uploadBytes(params)))
  await pool.close()
})

test('kernels can be forced on its threads, and must exist', async () => {
  const keys = await withPool(0, (pool) => pool.generateKeys(params))
  const uploads = await withPool(0, (pool) => pool.encrypt(params, keys.secretKey, step, share))
  const key = new Uint8Array(randomBytes(16))
  const evaluate = async (pool: HePool): Promise<string> => {
    const { answers, share: kept } = await pool.evaluate(params, keys.publicKey, step, weights, uploads, key)
    const got = await pool.decrypt(params, keys.secretKey, step, answers)
    return String(equal(add(got, kept), directConv(share, weights, g)))
  }
  for (const threads of [0, 1]) {
    expect(await withPool(threads, evaluate, 'reference')).toBe('true')
    const wrong = withPool(threads, evaluate, 'native:sse9' as KernelChoice)
    expect(await codeOf(wrong)).toBe('usage')
  }
})

test('a worker that dies is reported, and the pool takes no more work', async () => {
  const pool = await HePool.create(1, { entry: new URL('../fixtures/he-crashing-worker.ts', import.meta.url) })
  await expect(pool.generateKeys(params)).rejects.toThrow(/stopped unexpectedly/)
  await expect(pool.generateKeys(params)).rejects.toThrow(/stopped unexpectedly/)
  await pool.close()
})

test('memory of SEAL does not grow from step to step', async () => {
  const small = geometry({ inChannels: 4, outChannels: 4, inHeight: 8, inWidth: 8, kernelHeight: 3, kernelWidth: 3 })
  const one = { geometry: small, tiling: chooseTiling(small, POLY_DEGREE) }
  const x = new Prg(randomBytes(16)).vector(r, inputLength(small))
  const w = new Int32Array(weightLength(small)).fill(5)
  const work = async (pool: HePool): Promise<void> => {
    const { secretKey, publicKey } = await pool.generateKeys(params)
    const round = async (): Promise<number> => {
      const uploads = await pool.encrypt(params, secretKey, one, x)
      const { answers } = await pool.evaluate(params, publicKey, one, w, uploads, new Uint8Array(randomBytes(16)))
      await pool.decrypt(params, secretKey, one, answers)
      return memories[0].buffer.byteLength
    }
    for (let i = 0; i < 5; i++) await round()
    const before = await round()
    expect(before).toBeGreaterThan(2 ** 20)
    let after = before
    // One ciphertext that stays behind in a round would take 256 KiB: 40 rounds would take 10 MiB.
    for (let i = 0; i < 60; i++) after = await round()
    expect(after).toBe(before)
  }
  // With node-seal's evaluator, which holds the most there, and with whatever is best.
  await withPool(0, work, 'reference')
  await withPool(0, work)
})
