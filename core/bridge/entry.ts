/**
 * Who may talk to the bridge. Who starts the program gets an address with a token that works once and not for long; the
 * browser that opens it gets a cookie for its token, so that the address in its history is worth nothing, and a key for
 * the page. A browser sends its cookie to every port of this machine, whosever program listens there; the key lies where
 * only pages of this port can read it. Whatever does something needs both.
 */
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto'

export const TOKEN_MS = 10 * 60_000
const SECRET_BYTES = 32

export class Entry {
  /** Cookies belong to a host, whatever its port: two bridges would overwrite each other's under one name. */
  readonly cookie: string
  readonly #now: () => number
  #tokens: { readonly digest: Buffer; readonly until: number }[] = []
  readonly #sessions: { readonly cookie: Buffer; readonly key: Buffer }[] = []

  constructor(port: number, now: () => number = Date.now) {
    this.cookie = `adyton-${port}`
    this.#now = now
  }

  /** A token that works once, within ten minutes. */
  newToken(): string {
    const token = secret()
    this.#tokens = this.#tokens.filter(({ until }) => until > this.#now())
    this.#tokens.push({ digest: digest(token), until: this.#now() + TOKEN_MS })
    return token
  }

  /** Spends a token for a new session's Set-Cookie header and key; undefined for one that does not work. */
  enter(token: string): { readonly cookie: string; readonly key: string } | undefined {
    const given = digest(token)
    const found = this.#tokens.find((one) => timingSafeEqual(one.digest, given))
    if (found === undefined) return undefined
    this.#tokens = this.#tokens.filter((one) => one !== found)
    if (found.until <= this.#now()) return undefined
    const [session, key] = [secret(), secret()]
    this.#sessions.push({ cookie: digest(session), key: digest(key) })
    return { cookie: `${this.cookie}=${session}; Path=/; HttpOnly; SameSite=Strict`, key }
  }

  /** Which session a Cookie header belongs to: a number, which is no secret. */
  session(header: string | undefined): number | undefined {
    for (const pair of (header ?? '').split(';')) {
      const [name, value = ''] = pair.trim().split('=', 2)
      if (name !== this.cookie) continue
      const given = digest(value)
      const at = this.#sessions.findIndex(({ cookie }) => timingSafeEqual(cookie, given))
      if (at >= 0) return at
    }
    return undefined
  }

  /** Whether it is the key of that session. */
  hasKey(session: number, key: string): boolean {
    return timingSafeEqual(this.#sessions[session].key, digest(key))
  }
}

function secret(): string {
  return randomBytes(SECRET_BYTES).toString('base64url')
}

/** Of one length, as timingSafeEqual needs. */
function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest()
}
