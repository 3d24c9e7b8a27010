/**
 * The pieces that a step's HE work is cut into, and how one thread does them. A piece is a few milliseconds to
 * some tens; what pieces have in common (shares, weights, transformed uploads) is in shared memory.
 */
import { loadKernels, referenceKernels, type KernelChoice } from '../kernels/index.ts'
import type { HeKernels } from '../kernels/interface.ts'
import { ring } from '../ring/ring.ts'
import { fromWords } from '../ring/vector.ts'
import { generateKeys, HeClient, type HeKeys } from './client.ts'
import { resultElements } from './encoding.ts'
import { layoutOf, type Layout, type Range } from './layout.ts'
import { placeShare } from './mask.ts'
import { HeContext, loadSeal } from './seal.ts'
import { HeServer } from './server.ts'
import { HeShape } from './shape.ts'
import type { HeParameters, HeStep } from './types.ts'

/** A key in shared memory; `id` is a digest of it, by which a thread finds what it has already built. */
export interface SharedKey {
  readonly id: string
  readonly bytes: Uint8Array
}

interface WithStep {
  readonly params: HeParameters
  readonly key: SharedKey
  readonly step: HeStep
}

export interface EncryptJob extends WithStep {
  readonly kind: 'encrypt'
  readonly index: number
  /** Words of the share, shared memory. */
  readonly share: Uint32Array
}

export interface DecryptJob extends WithStep {
  readonly kind: 'decrypt'
  readonly index: number
  readonly answer: Uint8Array
  /** Words of the client's output share, shared memory; jobs write disjoint elements. */
  readonly output: Uint32Array
}

export interface TransformJob {
  readonly kind: 'transform'
  readonly params: HeParameters
  readonly key: SharedKey
  readonly index: number
  readonly upload: Uint8Array
  /** Where the transformed words go, shared memory. */
  readonly output: Uint32Array
}

export interface AnswerJob extends WithStep {
  readonly kind: 'answer'
  /** Names the batch of transformed uploads; see TransformedUploads. */
  readonly batch: number
  readonly tiles: Range
  /** Transformed uploads of those tiles, shared memory. */
  readonly inputs: Uint32Array
  readonly run: number
  readonly weights: Int32Array
  readonly maskKey: Uint8Array
  /** Words of the server's output share, shared memory; jobs write disjoint elements. */
  readonly share: Uint32Array
}

export type Job =
  | { readonly kind: 'generateKeys'; readonly params: HeParameters }
  | EncryptJob
  | DecryptJob
  | TransformJob
  | AnswerJob
  /** Drops what a thread holds of a batch. */
  | { readonly kind: 'forget'; readonly batch: number }

/** Result of each kind of job; answers are [index, wire bytes], one a tile. */
export interface JobResults {
  readonly generateKeys: HeKeys
  readonly encrypt: Uint8Array
  readonly decrypt: undefined
  readonly transform: undefined
  readonly answer: readonly (readonly [number, Uint8Array])[]
  readonly forget: undefined
}

export type JobResult = JobResults[keyof JobResults]

/** Keys a thread keeps ready. An application talks to one peer at a time with one to three contexts. */
const KEPT_KEYS = 4

/** A small cache that deletes what falls out; least recently used first. */
class Kept<T extends { delete(): void }> {
  readonly #held = new Map<string, T>()

  get(id: string, make: () => T): T {
    const known = this.#held.get(id)
    const value = known ?? make()
    this.#held.delete(id)
    this.#held.set(id, value)
    if (this.#held.size > KEPT_KEYS) {
      const [oldest, gone] = this.#held.entries().next().value!
      this.#held.delete(oldest)
      gone.delete()
    }
    return value
  }

  values(): Iterable<T> {
    return this.#held.values()
  }

  clear(): void {
    for (const value of this.#held.values()) value.delete()
    this.#held.clear()
  }
}

/** One thread's state: contexts, keys and the uploads it works on. */
export class Workbench {
  readonly #contexts = new Map<string, Promise<HeContext>>()
  readonly #shapes = new Map<string, HeShape>()
  readonly #clients = new Kept<HeClient>()
  readonly #servers = new Kept<HeServer>()
  readonly #choice: KernelChoice | undefined

  /** Works on the kernels that `choice` or the environment names, else the best there are; see loadKernels. */
  constructor(choice: KernelChoice | undefined) {
    this.#choice = choice
  }

  /** Compiles SEAL ahead of need where it does all the work; with kernels it makes keys only. */
  async warm(): Promise<void> {
    if (this.#kernels() === undefined) await loadSeal()
  }

  /** Does one job. Rejects with AdytonError when what a peer sent is not valid. */
  async run(job: Job): Promise<JobResult> {
    switch (job.kind) {
      case 'generateKeys':
        return generateKeys(await this.#context(job.params, 'client'))
      case 'encrypt': {
        const client = await this.#client(job)
        const r = ring(job.params.plainBits)
        const share = fromWords(r, job.share.length / r.stride, job.share)
        return client.encrypt(layoutFor(job), share, job.index)
      }
      case 'decrypt': {
        const client = await this.#client(job)
        const r = ring(job.params.plainBits)
        const output = fromWords(r, job.output.length / r.stride, job.output)
        client.decrypt(layoutFor(job), job.answer, job.index, output)
        return undefined
      }
      case 'transform': {
        const server = await this.#server(job)
        server.transform(job.upload, job.index, job.output)
        return undefined
      }
      case 'answer':
        return this.#answer(job, await this.#server(job))
      case 'forget':
        for (const server of this.#servers.values()) server.forget(job.batch)
        return undefined
    }
  }

  /** Frees the WebAssembly heap's objects; contexts too. */
  async delete(): Promise<void> {
    this.#clients.clear()
    this.#servers.clear()
    for (const context of this.#contexts.values()) (await context).delete()
    this.#contexts.clear()
  }

  #answer(job: AnswerJob, server: HeServer): JobResults['answer'] {
    const layout = layoutFor(job)
    const uploads = { batch: job.batch, words: job.inputs }
    const answers = server.answer(layout, job.weights, job.run, job.tiles, uploads, job.maskKey)
    return answers.map(({ index, bytes, share }) => {
      placeShare(resultElements(layout, index), share, job.share)
      return [index, bytes] as const
    })
  }

  #context(params: HeParameters, role: 'client' | 'server'): Promise<HeContext> {
    const id = `${role} ${nameOf(params)}`
    let context = this.#contexts.get(id)
    if (context === undefined) {
      context = HeContext.create(params, role)
      this.#contexts.set(id, context)
      // A failed context is not kept: the next job reports the failure anew.
      context.catch(() => this.#contexts.delete(id))
    }
    return context
  }

  /** Undefined where only the reference runs, than which node-seal is faster. */
  #kernels(): HeKernels | undefined {
    const kernels = loadKernels(this.#choice === undefined ? {} : { force: this.#choice })
    return kernels === referenceKernels ? undefined : kernels.he
  }

  async #client({ params, key }: { readonly params: HeParameters; readonly key: SharedKey }): Promise<HeClient> {
    const shape = await this.#shape(params, 'client')
    return this.#clients.get(key.id, () => new HeClient(shape, key.bytes, this.#kernels()))
  }

  async #server({ params, key }: { readonly params: HeParameters; readonly key: SharedKey }): Promise<HeServer> {
    const shape = await this.#shape(params, 'server')
    return this.#servers.get(key.id, () => new HeServer(shape, key.bytes, this.#kernels()))
  }

  async #shape(params: HeParameters, role: 'client' | 'server'): Promise<HeShape> {
    const kernels = this.#kernels()
    if (kernels === undefined) return this.#context(params, role)
    const id = nameOf(params)
    const shape = this.#shapes.get(id) ?? new HeShape(params, kernels)
    this.#shapes.set(id, shape)
    return shape
  }
}

function nameOf(params: HeParameters): string {
  return `${params.plainBits} ${params.polyDegree} ${params.primeBits.join()}`
}

function layoutFor(job: WithStep): Layout {
  return layoutOf(job.step.geometry, job.step.tiling, job.params.polyDegree)
}
