/**
 * The short code that two people read to each other: nine digits in three groups, about 30 bits. It is shown by the
 * server, good for one pairing, for ten minutes, and for three attempts, whoever makes them: so that somebody who
 * guesses over the network succeeds with probability 3 / 10^9 for each code that is shown.
 */
import { randomInt } from 'node:crypto'
import { AdytonError } from '../../errors/errors.ts'

const DIGITS = 9
const GROUP = 3
export const CODE_LIFE_MS = 10 * 60_000
export const CODE_ATTEMPTS = 3

/** A fresh code, digits alone. */
export function newCode(): string {
  return String(randomInt(10 ** DIGITS)).padStart(DIGITS, '0')
}

/** A code for people: '482 915 073'. */
export function formatCode(code: string): string {
  return parseCode(code)
    .match(new RegExp(`.{${GROUP}}`, 'g'))!
    .join(' ')
}

/** Reads a code with or without blanks and hyphens. Throws 'usage'; the message does not repeat what was typed. */
export function parseCode(text: string): string {
  const digits = text.replaceAll(/[\s-]/g, '')
  if (new RegExp(`^\\d{${DIGITS}}$`).test(digits)) return digits
  throw new AdytonError('usage', `a pairing code has ${DIGITS} digits`, {
    advice: 'Type the code that the server shows, as in 482 915 073.',
  })
}

/** Why no code is shown: none was yet, or the last one ended so. */
export type CodeEnd = 'none' | 'stopped' | 'expired' | 'attempts' | 'used'

const WHY: Readonly<Record<CodeEnd, string>> = {
  none: 'this server is not open for pairing',
  stopped: 'this server is no longer open for pairing',
  expired: 'the pairing code of this server has expired',
  attempts: 'the pairing code of this server was tried too often and is void',
  used: 'the pairing code of this server was used',
}

/** An attempt that was granted. It ends in one of two ways, once. */
export interface Attempt {
  readonly code: string
  /** Attempts that are left for the code. */
  readonly left: () => number
  /** Takes the code out of use; throws 'peer-untrusted' when it is no longer good. */
  readonly succeed: () => void
  readonly fail: () => void
}

/** The code that a server shows at the moment, if any. */
export class PairingDesk {
  readonly #now: () => number
  readonly #changed: () => void
  #code: { readonly digits: string; readonly expires: number; left: number; running: number } | undefined
  #end: CodeEnd = 'none'

  /** `changed` is called when a code stops being good because of what a peer did. `now` is for tests. */
  constructor(changed: () => void = () => undefined, now: () => number = Date.now) {
    this.#changed = changed
    this.#now = now
  }

  /** Shows a new code in place of the last one. */
  open(): void {
    this.#code = { digits: newCode(), expires: this.#now() + CODE_LIFE_MS, left: CODE_ATTEMPTS, running: 0 }
  }

  /** Takes the code back. */
  stop(): void {
    this.#close('stopped')
  }

  /** The code, when it expires (ms since 1970) and how many attempts are left; null when no code is good. */
  get current(): { readonly code: string; readonly expires: number; readonly attempts: number } | null {
    this.#expire()
    const code = this.#code
    return code === undefined ? null : { code: code.digits, expires: code.expires, attempts: code.left }
  }

  /** How the last code ended; of no meaning while one is shown. */
  get ended(): CodeEnd {
    return this.#end
  }

  /**
   * Grants an attempt, which is spent from then on, also when the peer breaks off: what it was sent may have told it
   * that its guess was wrong. Throws 'peer-untrusted' with the reason when no code is good.
   */
  attempt(): Attempt {
    this.#expire()
    const code = this.#code
    if (code === undefined) throw refused(this.#end)
    if (code.left === 0) throw refused('attempts')
    code.left--
    code.running++
    this.#changed()
    return {
      code: code.digits,
      left: () => code.left,
      succeed: () => {
        this.#expire()
        if (this.#code !== code) throw refused(this.#end === 'none' ? 'stopped' : this.#end)
        this.#close('used')
      },
      fail: () => {
        code.running--
        // The last attempt may still be under way.
        if (this.#code === code && code.left === 0 && code.running === 0) this.#close('attempts')
      },
    }
  }

  #expire(): void {
    if (this.#code !== undefined && this.#now() >= this.#code.expires) this.#close('expired')
  }

  #close(end: CodeEnd): void {
    if (this.#code === undefined) return
    this.#code = undefined
    this.#end = end
    this.#changed()
  }
}

function refused(end: CodeEnd): AdytonError {
  return new AdytonError('peer-untrusted', WHY[end], { advice: 'Ask for a new code on the server.' })
}
