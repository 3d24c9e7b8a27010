/**
 * Offline packages on disk, each for one inference. Layout, one tree per role:
 *
 *   <dir>/<role>/building/<id>.<owner>/   being made; removed when its owner is dead
 *   <dir>/<role>/ready/<id>/              complete: manifest.json and <section>.bin
 *   <dir>/<role>/burned/<id>              the package was taken; kept for ever
 *   <dir>/<role>/using/<id>.<owner>/      taken, being read; removed when its owner is dead
 *
 * A package is used once because its burn record is created with O_EXCL, which one process wins, and is synced,
 * with its folder, before take() returns: whoever sends a byte that depends on the package has the record on disk.
 * A crash can lose a package and never brings one back. No lock is held, so several processes may share a store.
 */
import { join } from 'node:path'
import { AdytonError } from '../../errors/errors.ts'
import { codeOf, lastChange, storeFailed, systemFiles, type FileOps } from './files.ts'
import { MANIFEST_FILE, corrupt, decodeManifest, requireMeta, sectionFile } from './manifest.ts'
import type { Manifest, PackageMeta } from './manifest.ts'
import { formatOwner, isAlive, ownOwner, parseOwner } from './owner.ts'
import { PackageReader } from './reader.ts'
import { PackageWriter } from './writer.ts'

export type { PackageMeta } from './manifest.ts'
export { PackageReader } from './reader.ts'
export { PackageWriter } from './writer.ts'

/** A package as list() shows it. */
export interface StoredPackage extends PackageMeta {
  /** Bytes of all sections. */
  readonly bytes: number
}

export interface StoreOptions {
  readonly role: 'client' | 'server'
  /** For tests. */
  readonly files?: FileOps
}

/** Leftovers of a process that cannot be asked (another machine or container) are removed after this long. */
const FOREIGN_MS = 3_600_000
/** A burn record with no content yet belongs to a process that is writing it, unless it is older than this. */
const FRESH_MS = 60_000

const AREAS = ['building', 'ready', 'burned', 'using'] as const
type Area = (typeof AREAS)[number]

export class PackageStore {
  readonly #files: FileOps
  readonly role: 'client' | 'server'
  readonly #root: string

  private constructor(dir: string, options: StoreOptions) {
    this.#files = options.files ?? systemFiles
    this.role = options.role
    this.#root = join(dir, options.role)
  }

  /** Opens a store, made when there is none, and removes what dead processes left. */
  static async open(dir: string, options: StoreOptions): Promise<PackageStore> {
    const store = new PackageStore(dir, options)
    try {
      for (const area of AREAS) await store.#files.makeFolder(store.#path(area))
      await store.#clean()
    } catch (cause) {
      throw storeFailed(`opening ${store.#root}`, cause)
    }
    return store
  }

  /** Starts a package. `package-used` when there was one with this id, ready or taken. */
  async create(meta: PackageMeta): Promise<PackageWriter> {
    requireMeta(meta)
    if (meta.role !== this.role) throw new RangeError(`a ${this.role} store does not hold packages of a ${meta.role}`)
    const folder = this.#owned('building', meta.id)
    try {
      if ((await this.#has('burned', meta.id)) || (await this.#has('ready', meta.id))) {
        throw new AdytonError('package-used', `there already was an offline package ${meta.id}`)
      }
      await this.#files.makeFolder(folder)
    } catch (cause) {
      throw storeFailed(`making package ${meta.id}`, cause)
    }
    return new PackageWriter(meta, folder, {
      files: this.#files,
      publish: (from, id, onMoved) => this.#publish(from, id, onMoved),
      retract: (id) => this.#retract(id),
    })
  }

  /** The packages that can be taken, oldest first. Damaged ones are left out; take() says what is wrong with them. */
  async list(): Promise<StoredPackage[]> {
    const found: StoredPackage[] = []
    for (const id of await this.#ids('ready')) {
      if (await this.#has('burned', id)) continue
      try {
        const { meta, sections } = await this.#manifest(id)
        found.push({ ...meta, bytes: Object.values(sections).reduce((sum, { bytes }) => sum + bytes, 0) })
      } catch (error) {
        // Damaged, or taken by another process since the folder was listed.
        if (!(error instanceof AdytonError) || error.code === 'store-failed') throw error
      }
    }
    return found.sort((a, b) => (a.created < b.created ? -1 : a.created > b.created ? 1 : a.id < b.id ? -1 : 1))
  }

  /** Describes a package without taking it. Rejects like take(). */
  async meta(id: string): Promise<PackageMeta> {
    await this.#requireReady(id)
    return (await this.#manifest(id)).meta
  }

  /**
   * Takes a package for its only use. When this resolves, the record of the use is durable; when it rejects with
   * store-failed because the record could not be made so, the package was not used. A damaged package is burned too.
   */
  async take(id: string): Promise<PackageReader> {
    await this.#requireReady(id)
    // Judged before it is burned, thrown after: of two processes the one that loses says package-used, whatever it saw.
    const manifest = await this.#verify(id).catch((error: unknown) => {
      if (error instanceof AdytonError && error.code === 'package-corrupt') return error
      throw error
    })
    await this.#burn(id)
    const ready = this.#path('ready', id)
    if (manifest instanceof AdytonError) {
      await this.#files.remove(ready).catch(() => undefined)
      throw manifest
    }
    const folder = this.#owned('using', id)
    try {
      await this.#files.rename(ready, folder)
    } catch (cause) {
      throw storeFailed(`taking package ${id}`, cause)
    }
    return new PackageReader(manifest, folder, this.#files)
  }

  /** Burns and removes every package that is ready, or those made before some time (ms since 1970); returns how many. */
  async purge(before: number = Infinity): Promise<number> {
    let count = 0
    for (const id of await this.#ids('ready')) {
      if (!(await this.#madeBefore(id, before))) continue
      try {
        await this.#burn(id)
        count++
      } catch (error) {
        if (error instanceof AdytonError && error.code === 'package-used') continue
        throw error
      }
      await this.#files.remove(this.#path('ready', id)).catch((cause: unknown) => {
        throw storeFailed(`removing package ${id}`, cause)
      })
    }
    return count
  }

  async #madeBefore(id: string, time: number): Promise<boolean> {
    try {
      return (await lastChange(this.#files, this.#path('ready', id))) < time
    } catch (cause) {
      // Taken by another process since the folder was listed.
      if (codeOf(cause) === 'ENOENT') return false
      throw storeFailed(`looking at package ${id}`, cause)
    }
  }

  async #publish(folder: string, id: string, onMoved: () => void): Promise<void> {
    // A folder that is not empty is never replaced: another process that made the same id is not disturbed.
    await this.#files.rename(folder, this.#path('ready', id))
    onMoved()
    await this.#files.syncFolder(this.#path('ready'))
    await this.#files.syncFolder(this.#path('building'))
  }

  async #retract(id: string): Promise<void> {
    try {
      await this.#burn(id)
    } catch (error) {
      if (error instanceof AdytonError && error.code === 'package-used') return
      // With no room for a record, removing the material has to do.
    }
    await this.#files.remove(this.#path('ready', id))
  }

  /** The record that decides. Resolves when it is durable; otherwise there is no record. */
  async #burn(id: string): Promise<void> {
    const path = this.#path('burned', id)
    const doing = `recording the use of package ${id}`
    let file
    try {
      file = await this.#files.create(path)
    } catch (cause) {
      throw codeOf(cause) === 'EEXIST' ? used(id) : storeFailed(doing, cause)
    }
    try {
      try {
        await file.write(new TextEncoder().encode(`${formatOwner(ownOwner())} ${new Date().toISOString()}\n`))
        await file.sync()
      } finally {
        await file.close()
      }
      await this.#files.syncFolder(this.#path('burned'))
    } catch (cause) {
      // Only the process that made the record gets here, and it does not use the package. Without this, a full disk
      // would cost a package on every attempt.
      await this.#files.remove(path).catch(() => undefined)
      throw storeFailed(doing, cause)
    }
  }

  async #requireReady(id: string): Promise<void> {
    if (!/^[0-9a-f]{32}$/.test(id)) throw new RangeError(`not a package id: ${JSON.stringify(id)}`)
    try {
      if (await this.#has('burned', id)) throw used(id)
      if (await this.#has('ready', id)) return
      // Another process may have taken it between the two looks.
      if (await this.#has('burned', id)) throw used(id)
    } catch (cause) {
      throw storeFailed(`looking for package ${id}`, cause)
    }
    throw new AdytonError('package-missing', `there is no offline package ${id} in the store of this ${this.role}`, {
      advice: 'Prepare a new one.',
    })
  }

  async #manifest(id: string): Promise<Manifest> {
    let text
    try {
      text = await this.#files.readText(join(this.#path('ready', id), MANIFEST_FILE))
    } catch (cause) {
      if (codeOf(cause) === 'ENOENT') throw corrupt(id, `${MANIFEST_FILE} is missing`, cause)
      throw storeFailed(`reading package ${id}`, cause)
    }
    const manifest = decodeManifest(id, text)
    if (manifest.meta.role !== this.role) throw corrupt(id, `it belongs to a ${manifest.meta.role}`)
    return manifest
  }

  /** The manifest, after the sizes of all sections were checked. */
  async #verify(id: string): Promise<Manifest> {
    const manifest = await this.#manifest(id)
    for (const [name, { bytes }] of Object.entries(manifest.sections)) {
      const found = await this.#files.stat(join(this.#path('ready', id), sectionFile(name))).catch((cause: unknown) => {
        throw storeFailed(`reading package ${id}`, cause)
      })
      if (found === undefined) throw corrupt(id, `section ${name} is missing`)
      if (found.size !== bytes) throw corrupt(id, `section ${name} has ${found.size} bytes and should have ${bytes}`)
    }
    return manifest
  }

  async #clean(): Promise<void> {
    for (const area of ['building', 'using'] as const) {
      for (const name of await this.#files.list(this.#path(area))) {
        const dot = name.indexOf('.')
        const path = this.#path(area, name)
        if (await this.#abandoned(name.slice(dot + 1), () => lastChange(this.#files, path)))
          await this.#files.remove(path)
      }
    }
    for (const id of await this.#ids('ready')) {
      const record = this.#path('burned', id)
      const stat = await this.#files.stat(record)
      if (stat === undefined) continue
      const text = await this.#files.readText(record).catch((error: unknown) => {
        // Taken back by the process that could not make it durable.
        if (codeOf(error) === 'ENOENT') return undefined
        throw error
      })
      if (text === undefined) continue
      const [owner] = text.split(' ')
      const abandoned =
        parseOwner(owner) === undefined
          ? Date.now() - stat.changed > FRESH_MS
          : await this.#abandoned(owner, () => Promise.resolve(stat.changed))
      if (abandoned) await this.#files.remove(this.#path('ready', id))
    }
  }

  /** Whether what carries this owner's name can be removed. Names that are none of ours are left alone. */
  async #abandoned(ownerText: string, changed: () => Promise<number>): Promise<boolean> {
    const owner = parseOwner(ownerText)
    if (owner === undefined) return false
    return !(isAlive(owner) ?? Date.now() - (await changed()) < FOREIGN_MS)
  }

  async #ids(area: Area): Promise<string[]> {
    try {
      return (await this.#files.list(this.#path(area))).filter((name) => /^[0-9a-f]{32}$/.test(name))
    } catch (cause) {
      throw storeFailed(`listing ${this.#path(area)}`, cause)
    }
  }

  async #has(area: Area, name: string): Promise<boolean> {
    return (await this.#files.stat(this.#path(area, name))) !== undefined
  }

  #owned(area: Area, id: string): string {
    return this.#path(area, `${id}.${formatOwner(ownOwner())}`)
  }

  #path(area: Area, name = ''): string {
    return join(this.#root, area, name)
  }
}

function used(id: string): AdytonError {
  return new AdytonError('package-used', `offline package ${id} was used already; a package serves one inference`, {
    advice: 'Prepare a new one.',
  })
}
