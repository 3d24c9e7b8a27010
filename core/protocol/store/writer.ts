/** A package that is being made: sections grow by appending, and nothing of it can be seen before finish(). */
import { join } from 'node:path'
import { Checksum } from './checksum.ts'
import type { FileOps, OpenFile } from './files.ts'
import { asError, storeFailed } from './files.ts'
import {
  MANIFEST_FILE,
  encodeManifest,
  requireSectionName,
  sectionFile,
  type PackageMeta,
  type Section,
} from './manifest.ts'

/** Every section is an open file while a package is made. */
const MAX_SECTIONS = 256

/** The end of a package's making, by the store that knows where packages go. */
export interface WriterHost {
  readonly files: FileOps
  /** Makes a complete folder a ready package, durably. `onMoved` is called once it can be taken. */
  publish(folder: string, id: string, onMoved: () => void): Promise<void>
  /** Takes a published package back. */
  retract(id: string): Promise<void>
}

export class PackageWriter {
  readonly meta: PackageMeta
  readonly #host: WriterHost
  readonly #folder: string
  readonly #sections = new Map<string, { file: OpenFile; checksum: Checksum; bytes: number }>()
  #queue: Promise<void> = Promise.resolve()
  #state: 'open' | 'published' | 'discarded' = 'open'
  /** What went wrong first: nothing is written after it. */
  #failure: Error | undefined

  constructor(meta: PackageMeta, folder: string, host: WriterHost) {
    this.meta = meta
    this.#folder = folder
    this.#host = host
  }

  /** Appends to a section, which is made on first use. Once it resolves, the memory may be used again. */
  append(section: string, bytes: Uint8Array): Promise<void> {
    requireSectionName(section)
    return this.#next(async () => {
      this.#requireOpen()
      let entry = this.#sections.get(section)
      if (entry === undefined) {
        if (this.#sections.size >= MAX_SECTIONS) throw new RangeError(`a package has at most ${MAX_SECTIONS} sections`)
        const file = await this.#host.files.create(join(this.#folder, sectionFile(section)))
        entry = { file, checksum: new Checksum(this.meta.id, section), bytes: 0 }
        this.#sections.set(section, entry)
      }
      await entry.file.write(bytes)
      entry.checksum.update(bytes)
      entry.bytes += bytes.length
    }, `writing section ${section} of package ${this.meta.id}`)
  }

  /** Makes the package durable and ready to be taken. If it rejects, discard the package. */
  finish(): Promise<void> {
    return this.#next(async () => {
      this.#requireOpen()
      const sections: Record<string, Section> = {}
      for (const [name, { file, checksum, bytes }] of this.#sections) {
        await file.sync()
        sections[name] = { bytes, checksum: checksum.digest() }
      }
      await this.#closeFiles()
      const { files } = this.#host
      const manifest = await files.create(join(this.#folder, MANIFEST_FILE))
      try {
        await manifest.write(new TextEncoder().encode(encodeManifest({ meta: this.meta, sections })))
        await manifest.sync()
      } finally {
        await manifest.close()
      }
      await files.syncFolder(this.#folder)
      await this.#host.publish(this.#folder, this.meta.id, () => {
        this.#state = 'published'
      })
    }, `finishing package ${this.meta.id}`)
  }

  /**
   * Removes the package, also when it was finished (unless it was taken meanwhile). Never rejects: what cannot be
   * removed now is removed when a store is opened after this process has ended.
   */
  async discard(): Promise<void> {
    await this.#next(async () => {
      const state = this.#state
      this.#state = 'discarded'
      if (state === 'discarded') return
      await this.#closeFiles()
      if (state === 'open') await this.#host.files.remove(this.#folder)
      else await this.#host.retract(this.meta.id)
    }, 'discarding a package').catch(() => undefined)
  }

  #requireOpen(): void {
    if (this.#failure !== undefined) throw this.#failure
    if (this.#state !== 'open') throw new Misuse(`the package is ${this.#state} already`)
  }

  async #closeFiles(): Promise<void> {
    const open = [...this.#sections.values()]
    this.#sections.clear()
    await Promise.all(open.map(({ file }) => file.close()))
  }

  #next(work: () => Promise<void>, doing: string): Promise<void> {
    const turn = this.#queue.then(work).catch((cause: unknown) => {
      // A misuse is the caller's to see as it is.
      if (cause instanceof RangeError || cause instanceof Misuse) throw cause
      throw storeFailed(doing, cause)
    })
    this.#queue = turn.catch((error: unknown) => {
      this.#failure ??= asError(error)
    })
    return turn
  }
}

/** A call that makes no sense at this point: a bug of the caller. */
class Misuse extends Error {}
