/** What a server remembers of its clients: who was pinned, and how much each has asked for. */
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { parseFingerprint } from '../channel/identity.ts'
import { AdytonError } from '../errors/errors.ts'

/** The client that `serve --allow-first` pinned, kept in the data folder so that a restart trusts nobody new. */
export class PinnedClient {
  readonly #path: string

  constructor(data: string) {
    this.#path = join(data, 'pinned-client')
  }

  /** The pinned fingerprint, or none. */
  async read(): Promise<string[]> {
    try {
      return [parseFingerprint(await readFile(this.#path, 'utf8'))]
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return []
      throw new AdytonError('store-failed', `${this.#path} cannot be read as a fingerprint`, {
        advice: 'Remove the file to pin the next client that connects.',
        cause,
      })
    }
  }

  async write(fingerprint: string): Promise<void> {
    await mkdir(join(this.#path, '..'), { recursive: true, mode: 0o700 })
    await writeFile(this.#path, `${fingerprint}\n`, { mode: 0o600, flag: 'wx' })
  }
}

const HOUR_MS = 3_600_000

/** Counts the inferences of each client over the last hour. */
export class HourlyLimit {
  readonly #limit: number | undefined
  readonly #times = new Map<string, number[]>()

  /** `limit`: inferences an hour and client; undefined for no limit. */
  constructor(limit: number | undefined) {
    this.#limit = limit
  }

  /** Counts one inference; throws AdytonError 'limit-reached' when the client has had its share. */
  admit(client: string, now: number = Date.now()): void {
    if (this.#limit === undefined) return
    const recent = (this.#times.get(client) ?? []).filter((time) => now - time < HOUR_MS)
    if (recent.length >= this.#limit) {
      const minutes = Math.ceil((recent[0] + HOUR_MS - now) / 60_000)
      throw new AdytonError(
        'limit-reached',
        `this server grants a client ${this.#limit} inferences an hour; the next one in ${minutes} min`,
      )
    }
    this.#times.set(client, [...recent, now])
  }
}
