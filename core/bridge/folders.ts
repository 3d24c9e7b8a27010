/** Folders for files that pass through: each transfer has one of a random name, removed when the program ends. */
import { randomBytes } from 'node:crypto'
import { mkdir, readdir, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'

const OLD_MS = 24 * 3600_000

export class TransferFolders {
  readonly root: string
  readonly #own = new Set<string>()

  /** `root` need not exist. */
  constructor(root: string) {
    this.root = root
  }

  /** The path of a folder that is this program's; it is not made yet. */
  claim(name = randomBytes(8).toString('hex')): string {
    const path = join(this.root, name)
    this.#own.add(path)
    return path
  }

  async make(name?: string): Promise<string> {
    const path = this.claim(name)
    await mkdir(path, { recursive: true, mode: 0o700 })
    return path
  }

  async remove(path: string): Promise<void> {
    await rm(path, { recursive: true, force: true })
    this.#own.delete(path)
  }

  /** Removes what a program that was killed has left more than a day ago; jobs that go on may need the newer. */
  async sweep(now = Date.now()): Promise<void> {
    const names = await readdir(this.root).catch(() => [])
    for (const name of names) {
      const path = join(this.root, name)
      const changed = (await stat(path).catch(() => undefined))?.mtimeMs
      if (changed !== undefined && now - changed > OLD_MS) await rm(path, { recursive: true, force: true })
    }
  }

  /** Removes what this program has made, but for what is still needed; that goes with a later sweep. */
  async clear(needed: (path: string) => boolean = () => false): Promise<void> {
    for (const path of this.#own) if (!needed(path)) await this.remove(path)
  }
}
