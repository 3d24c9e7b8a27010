/** A package that was taken: its sections are read once, front to back, and removed by close(). */
import { createHash } from 'node:crypto'
import { join } from 'node:path'
import type { FileOps, OpenFile } from './files.ts'
import { asError, codeOf, storeFailed } from './files.ts'
import { corrupt, requireSectionName, sectionFile, type Manifest, type PackageMeta, type Section } from './manifest.ts'

/** Bytes of a section that are read ahead; two of these per section that is being read. */
const CHUNK_BYTES = 1 << 20

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
   * The next bytes of a section, in a buffer of their own. The read that reaches the section's end checks its
   * SHA-256 and rejects with package-corrupt when it differs.
   */
  async read(section: string, bytes: number): Promise<Uint8Array> {
    requireSectionName(section)
    if (!Number.isSafeInteger(bytes) || bytes < 0) throw new RangeError(`cannot read ${bytes} bytes`)
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
    return await stream.read(bytes)
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
  readonly #hash = createHash('sha256')
  #file: OpenFile | undefined
  #queue: Promise<unknown> = Promise.resolve()
  /** Bytes given out. */
  #given = 0
  /** What went wrong first: nothing is read after it. */
  #failure: Error | undefined
  /** Bytes asked of the file. */
  #asked = 0
  #chunk: Uint8Array = new Uint8Array(0)
  #used = 0
  #ahead: Promise<Uint8Array> | undefined
  #spare: Uint8Array = new Uint8Array(0)

  constructor(id: string, name: string, section: Section, open: () => Promise<OpenFile>) {
    this.#id = id
    this.#name = name
    this.#section = section
    this.#open = open
  }

  read(bytes: number): Promise<Uint8Array> {
    const turn = this.#queue.then(() => {
      if (this.#failure !== undefined) throw this.#failure
      return this.#read(bytes)
    })
    this.#queue = turn.catch((error: unknown) => {
      this.#failure ??= asError(error)
    })
    return turn
  }

  async close(): Promise<void> {
    await this.#queue
    await this.#ahead?.catch(() => undefined)
    await this.#closeFile()
  }

  async #read(bytes: number): Promise<Uint8Array> {
    if (bytes > this.#section.bytes - this.#given) {
      throw corrupt(
        this.#id,
        `section ${this.#name} has ${this.#section.bytes - this.#given} bytes left where ${bytes} are needed`,
      )
    }
    const target = new Uint8Array(Buffer.allocUnsafeSlow(bytes).buffer)
    let filled = 0
    while (filled < bytes) {
      if (this.#used === this.#chunk.length) await this.#turn()
      const piece = this.#chunk.subarray(this.#used, this.#used + bytes - filled)
      target.set(piece, filled)
      filled += piece.length
      this.#used += piece.length
    }
    this.#given += bytes
    if (bytes > 0 && this.#given === this.#section.bytes) await this.#finish()
    return target
  }

  /** The chunk that was read ahead becomes the current one, and the next one is asked for. */
  async #turn(): Promise<void> {
    this.#file ??= await this.#open().catch((cause: unknown) => {
      throw this.#failed(cause)
    })
    const next = await (this.#ahead ?? this.#fetch(this.#file))
    this.#hash.update(next)
    this.#spare = this.#chunk
    this.#chunk = next
    this.#used = 0
    this.#ahead = this.#asked < this.#section.bytes ? this.#fetch(this.#file) : undefined
    // A failure is reported by the read that gets there.
    this.#ahead?.catch(() => undefined)
  }

  async #fetch(file: OpenFile): Promise<Uint8Array> {
    const position = this.#asked
    const length = Math.min(CHUNK_BYTES, this.#section.bytes - position)
    this.#asked += length
    const buffer = this.#spare.length >= length ? this.#spare.subarray(0, length) : new Uint8Array(length)
    const count = await file.read(buffer, position).catch((cause: unknown) => {
      throw this.#failed(cause)
    })
    if (count < length) throw corrupt(this.#id, `section ${this.#name} ends after ${position + count} bytes`)
    return buffer
  }

  async #finish(): Promise<void> {
    await this.#closeFile()
    if (this.#hash.digest('hex') !== this.#section.sha256) {
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
