/** A package that was taken: its sections are read once, front to back, and removed by close(). */
import { join } from 'node:path'
import { Checksum } from './checksum.ts'
import type { FileOps, OpenFile } from './files.ts'
import { asError, codeOf, storeFailed } from './files.ts'
import { corrupt, requireSectionName, sectionFile, type Manifest, type PackageMeta, type Section } from './manifest.ts'

export class PackageReader {
  readonly meta: PackageMeta
  readonly #sections: Readonly<Record<string, Section>>
  readonly #folder: string
  readonly #files: FileOps
  readonly #streams = new Map<string, SectionStream>()
  #closed: Promise<void> | undefined

  constructor(manifest: Manifest, folder: string, files: FileOps) {
    this.meta = manifest.meta
    this.#sections = manifest.sections
    this.#folder = folder
    this.#files = files
  }

  /** Bytes of a section, 0 for one that the package does not have. */
  size(section: string): number {
    return Object.hasOwn(this.#sections, section) ? this.#sections[section].bytes : 0
  }

  /**
   * The next bytes of a section, in a buffer of their own or at the start of `memory`. The read that reaches the section's
   * end checks its checksum and rejects with package-corrupt when it differs. Reads of several sections may run at once.
   */
  async read(section: string, bytes: number, memory?: Uint8Array): Promise<Uint8Array> {
    requireSectionName(section)
    if (!Number.isSafeInteger(bytes) || bytes < 0) throw new RangeError(`cannot read ${bytes} bytes`)
    if (memory !== undefined && memory.length < bytes)
      throw new RangeError(`${bytes} bytes do not fit the memory given`)
    if (this.#closed !== undefined) throw new Error('the package is closed')
    let stream = this.#streams.get(section)
    if (stream === undefined) {
      if (!Object.hasOwn(this.#sections, section)) {
        throw corrupt(this.meta.id, `it has no section ${section}`)
      }
      const path = join(this.#folder, sectionFile(section))
      stream = new SectionStream(this.meta.id, section, this.#sections[section], () => this.#files.open(path))
      this.#streams.set(section, stream)
    }
    return await stream.read(bytes, memory)
  }

  /** Removes the package's material; the record that it was used stays. Never rejects: see PackageWriter.discard. */
  close(): Promise<void> {
    this.#closed ??= this.#close().catch(() => undefined)
    return this.#closed
  }

  async #close(): Promise<void> {
    await Promise.all([...this.#streams.values()].map((stream) => stream.close()))
    this.#streams.clear()
    await this.#files.remove(this.#folder)
  }
}

class SectionStream {
  readonly #id: string
  readonly #name: string
  readonly #section: Section
  readonly #open: () => Promise<OpenFile>
  readonly #checksum: Checksum
  #file: OpenFile | undefined
  #queue: Promise<unknown> = Promise.resolve()
  /** Bytes given out. */
  #given = 0
  /** What went wrong first: nothing is read after it. */
  #failure: Error | undefined

  constructor(id: string, name: string, section: Section, open: () => Promise<OpenFile>) {
    this.#id = id
    this.#name = name
    this.#section = section
    this.#checksum = new Checksum(id, name)
    this.#open = open
  }

  read(bytes: number, memory?: Uint8Array): Promise<Uint8Array> {
    const turn = this.#queue.then(() => {
      if (this.#failure !== undefined) throw this.#failure
      return this.#read(bytes, memory)
    })
    this.#queue = turn.catch((error: unknown) => {
      this.#failure ??= asError(error)
    })
    return turn
  }

  async close(): Promise<void> {
    await this.#queue
    await this.#closeFile()
  }

  async #read(bytes: number, memory?: Uint8Array): Promise<Uint8Array> {
    if (bytes > this.#section.bytes - this.#given) {
      throw corrupt(
        this.#id,
        `section ${this.#name} has ${this.#section.bytes - this.#given} bytes left where ${bytes} are needed`,
      )
    }
    const target = memory?.subarray(0, bytes) ?? new Uint8Array(Buffer.allocUnsafeSlow(bytes).buffer)
    if (bytes === 0) return target
    const count = await this.#fill(target).catch((cause: unknown) => {
      throw this.#failed(cause)
    })
    if (count < bytes) throw corrupt(this.#id, `section ${this.#name} ends after ${this.#given + count} bytes`)
    this.#checksum.update(target)
    this.#given += bytes
    if (this.#given === this.#section.bytes) await this.#finish()
    return target
  }

  async #fill(target: Uint8Array): Promise<number> {
    this.#file ??= await this.#open()
    return await this.#file.read(target, this.#given)
  }

  async #finish(): Promise<void> {
    await this.#closeFile()
    if (this.#checksum.digest() !== this.#section.checksum) {
      throw corrupt(this.#id, `section ${this.#name} does not match its checksum`)
    }
  }

  /** A file that was only read has nothing to lose when closing it fails. */
  async #closeFile(): Promise<void> {
    const file = this.#file
    this.#file = undefined
    await file?.close().catch(() => undefined)
  }

  #failed(cause: unknown): Error {
    if (codeOf(cause) === 'ENOENT') return corrupt(this.#id, `section ${this.#name} is missing`, cause)
    return storeFailed(`reading section ${this.#name} of package ${this.#id}`, cause)
  }
}
