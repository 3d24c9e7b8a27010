/**
 * Linear steps under HE, spread over threads. What a step does is in client.ts and server.ts; this file cuts it
 * into jobs, runs them in workers (or in this thread, for tests and tiny models) and puts the results together.
 *
 * The two shares of a step add up to its product with the weights:
 * evaluate().share + decrypt() = W * share mod 2^plainBits.
 */
import { createHash } from 'node:crypto'
import { AdytonError } from '../errors/errors.ts'
import type { KernelChoice } from '../kernels/index.ts'
import { ring, type RingVector } from '../ring/ring.ts'
import { fromWords } from '../ring/vector.ts'
import type { HeKeys } from './client.ts'
import type { SharedKey } from './jobs.ts'
import { layoutOf, tileCount, type Layout, type Range } from './layout.ts'
import { dataPrimes } from './parameters.ts'
import { Threads, type Call } from './threads.ts'
import type { HeParameters, HeStep } from './types.ts'

export type { HeKeys } from './client.ts'

/** Options of the long operations. */
export interface HeOptions {
  /** Rejects with AdytonError 'cancelled' and drops the work not yet begun. */
  readonly signal?: AbortSignal | undefined
  /** Called with every upload or answer, in order, as soon as it and those before it are ready. */
  readonly onCiphertext?: ((index: number, bytes: Uint8Array) => void) | undefined
}

export interface PoolOptions {
  /** The workers' module, for builds that keep it elsewhere. */
  readonly entry?: URL
  /** Kernels that the server evaluates on; see loadKernels. 'reference' means node-seal's evaluator. */
  readonly kernels?: KernelChoice | undefined
}

/** What the server gets out of a step. */
export interface HeEvaluation {
  /** Wire bytes, answerBytes(params, resultCount) each; see tilingCounts for the counts. */
  readonly answers: Uint8Array[]
  /** The server's share of the output before bias, [outChannels][OH][OW]; equal to stepMask(params, step, maskKey). */
  readonly share: RingVector
}

/** Transformed uploads a thread may hold at once, bytes; a step of more tiles is done in batches of tiles. */
const BATCH_BYTES = 64 * 2 ** 20

let batches = 0

export class HePool {
  readonly #threads: Threads

  private constructor(threads: Threads) {
    this.#threads = threads
  }

  /** Starts `threads` worker threads; 0 does all work in the calling thread. */
  static async create(threads: number, options: PoolOptions = {}): Promise<HePool> {
    const entry = options.entry ?? new URL('./worker.ts', import.meta.url)
    return new HePool(await Threads.start(threads, entry, options.kernels))
  }

  /** Stops the workers; unfinished calls reject with AdytonError 'cancelled'. */
  close(): Promise<void> {
    return this.#threads.close()
  }

  /** Client: fresh keys. The secret key may be stored and serves many inferences. */
  async generateKeys(params: HeParameters): Promise<HeKeys> {
    return this.#threads.call(undefined, (call) => call.run({ kind: 'generateKeys', params }))
  }

  /** Client: uploads of a share, [C][H][W] over Z_2^plainBits; uploadBytes(params) each. */
  async encrypt(
    params: HeParameters,
    secretKey: Uint8Array,
    step: HeStep,
    share: RingVector,
    options: HeOptions = {},
  ): Promise<Uint8Array[]> {
    const layout = layoutOf(step.geometry, step.tiling, params.polyDegree)
    const g = layout.geometry
    checkVector(params, share, g.inChannels * g.inHeight * g.inWidth)
    const key = sharedKey(params, secretKey)
    const words = shared(Uint32Array, share.words)
    const uploads = new InOrder(tileCount(layout) * layout.blocks, options)
    await this.#threads.call(options.signal, (call) =>
      all(uploads.length, async (index) => {
        uploads.put(index, await call.run({ kind: 'encrypt', params, key, step: bare(step), share: words, index }))
      }),
    )
    return uploads.items
  }

  /** Client: the client's share of the output, [outChannels][OH][OW], from all answers in order. */
  async decrypt(
    params: HeParameters,
    secretKey: Uint8Array,
    step: HeStep,
    answers: readonly Uint8Array[],
    options: Pick<HeOptions, 'signal'> = {},
  ): Promise<RingVector> {
    const layout = layoutOf(step.geometry, step.tiling, params.polyDegree)
    checkCount('answers', answers.length, tileCount(layout) * layout.runs)
    const key = sharedKey(params, secretKey)
    const output = outputWords(params, layout)
    await this.#threads.call(options.signal, (call) =>
      all(answers.length, (index) =>
        call.run({ kind: 'decrypt', params, key, step: bare(step), index, answer: answers[index], output }),
      ),
    )
    return vector(params, output)
  }

  /**
   * Server: answers to a client's uploads, which may still be arriving. `weights` are
   * [outChannels][inChannels / groups][kh][kw]; `maskKey` is 16 secret bytes that no other step or inference uses.
   * Rejects with AdytonError 'payload-invalid' for uploads or a public key that are not valid.
   */
  async evaluate(
    params: HeParameters,
    publicKey: Uint8Array,
    step: HeStep,
    weights: Int32Array,
    inputs: Iterable<Uint8Array> | AsyncIterable<Uint8Array>,
    maskKey: Uint8Array,
    options: HeOptions = {},
  ): Promise<HeEvaluation> {
    const layout = layoutOf(step.geometry, step.tiling, params.polyDegree)
    const g = layout.geometry
    const expected = g.outChannels * layout.channelsPerGroup * g.kernelHeight * g.kernelWidth
    if (weights.length !== expected) throw new RangeError(`${expected} weights expected, got ${weights.length}`)
    if (maskKey.length !== 16) throw new RangeError(`a mask key has 16 bytes, got ${maskKey.length}`)
    const tiles = tileCount(layout)
    const size = 2 * dataPrimes(params) * params.polyDegree
    const perBatch = Math.max(1, Math.min(tiles, Math.floor(BATCH_BYTES / (8 * size * layout.blocks))))
    const common = {
      params,
      key: sharedKey(params, publicKey),
      step: bare(step),
      weights: weights.buffer instanceof SharedArrayBuffer ? weights : shared(Int32Array, weights),
      maskKey: maskKey.slice(),
      share: outputWords(params, layout),
    }
    const answers = new InOrder(tiles * layout.runs, options)
    const source = uploadSource(inputs, tiles * layout.blocks)
    await this.#threads
      .call(options.signal, async (call) => {
        for (let start = 0; start < tiles; start += perBatch) {
          const range = { start, end: Math.min(start + perBatch, tiles) }
          const transformed = await this.#transform(call, common, layout, range, source, 2 * size)
          const batch = batches++
          try {
            await all(layout.runs, async (run) => {
              const done = await call.run({ kind: 'answer', ...common, batch, tiles: range, inputs: transformed, run })
              for (const [index, bytes] of done) answers.put(index, bytes)
            })
          } finally {
            this.#threads.broadcast({ kind: 'forget', batch })
          }
        }
        await source.end()
      })
      .finally(() => source.close())
    return { answers: answers.items, share: vector(params, common.share) }
  }

  /** Takes the uploads of some tiles and leaves them in NTT form in shared memory. */
  async #transform(
    call: Call,
    { params, key }: { readonly params: HeParameters; readonly key: SharedKey },
    layout: Layout,
    tiles: Range,
    source: UploadSource,
    size: number,
  ): Promise<Uint32Array> {
    const first = tiles.start * layout.blocks
    const count = (tiles.end - tiles.start) * layout.blocks
    const words = new Uint32Array(new SharedArrayBuffer(4 * size * count))
    const open = new Set<Promise<unknown>>()
    const failed: unknown[] = []
    for (let i = 0; i < count && failed.length === 0; i++) {
      const output = words.subarray(i * size, (i + 1) * size)
      const upload = await source.next()
      const job = call
        .run({ kind: 'transform', params, key, index: first + i, upload, output })
        .catch((error: unknown) => failed.push(error))
        .finally(() => open.delete(job))
      open.add(job)
      // Leave uploads with the sender rather than in our queue.
      if (open.size > 2 * Math.max(1, this.#threads.count)) await Promise.race(open)
    }
    await Promise.all(open)
    if (failed.length > 0) throw failed[0]
    return words
  }
}

/** Runs `task` for 0 .. count-1 and waits for all of them, also when one fails. */
async function all(count: number, task: (index: number) => Promise<unknown>): Promise<void> {
  const outcomes = await Promise.allSettled(Array.from({ length: count }, (_, index) => task(index)))
  for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason
}

/** Collects results that come in any order and hands them on in order, until the signal is raised. */
class InOrder {
  readonly items: Uint8Array[]
  readonly length: number
  readonly #options: HeOptions
  #handed = 0

  constructor(length: number, options: HeOptions) {
    this.length = length
    this.items = new Array<Uint8Array>(length)
    this.#options = options
  }

  put(index: number, bytes: Uint8Array): void {
    this.items[index] = bytes
    const { onCiphertext, signal } = this.#options
    while (this.items[this.#handed] !== undefined && signal?.aborted !== true) {
      onCiphertext?.(this.#handed, this.items[this.#handed])
      this.#handed++
    }
  }
}

interface UploadSource {
  next(): Promise<Uint8Array>
  /** Throws unless the source ends here. */
  end(): Promise<void>
  /** Tells the source that nobody reads on. */
  close(): void
}

function uploadSource(inputs: Iterable<Uint8Array> | AsyncIterable<Uint8Array>, expected: number): UploadSource {
  const iterator = Symbol.asyncIterator in inputs ? inputs[Symbol.asyncIterator]() : inputs[Symbol.iterator]()
  let taken = 0
  return {
    async next() {
      const item: IteratorResult<Uint8Array, unknown> = await iterator.next()
      if (item.done === true) throw countError('uploads', taken, expected)
      taken++
      return item.value
    },
    async end() {
      if ((await iterator.next()).done !== true) throw countError('uploads', taken + 1, expected)
    },
    close() {
      // Not awaited: a generator that waits for the peer ends only when the peer does.
      void Promise.resolve(iterator.return?.()).catch(() => undefined)
    },
  }
}

/** The step alone: callers pass larger objects, which need not be copied to every thread. */
function bare({ geometry, tiling }: HeStep): HeStep {
  return { geometry, tiling }
}

function countError(what: string, got: number, expected: number): AdytonError {
  return new AdytonError('payload-invalid', `HE step: ${got} ${what}, expected ${expected}`, {
    advice: 'The peer is faulty or runs another version.',
  })
}

function checkCount(what: string, got: number, expected: number): void {
  if (got !== expected) throw countError(what, got, expected)
}

function checkVector(params: HeParameters, share: RingVector, length: number): void {
  if (share.ring.bits !== params.plainBits || share.length !== length) {
    throw new RangeError(
      `share: ${length} elements of Z_2^${params.plainBits} expected, got ${share.length} of Z_2^${share.ring.bits}`,
    )
  }
}

/** A copy in shared memory. */
function shared<T extends Uint8Array | Uint32Array | Int32Array>(
  type: new (buffer: SharedArrayBuffer) => T,
  from: T,
): T {
  const copy = new type(new SharedArrayBuffer(from.byteLength))
  copy.set(from)
  return copy
}

function sharedKey(params: HeParameters, bytes: Uint8Array): SharedKey {
  const hash = createHash('sha256').update(`${params.plainBits} ${params.primeBits.join()} `)
  return { id: hash.update(bytes).digest('hex'), bytes: shared(Uint8Array, bytes) }
}

/** Shared memory for the step's output, [outChannels][OH][OW]. */
function outputWords(params: HeParameters, layout: Layout): Uint32Array {
  const elements = layout.geometry.outChannels * layout.outHeight * layout.outWidth
  return new Uint32Array(new SharedArrayBuffer(4 * elements * ring(params.plainBits).stride))
}

function vector(params: HeParameters, words: Uint32Array): RingVector {
  const r = ring(params.plainBits)
  return fromWords(r, words.length / r.stride, new Uint32Array(words))
}
