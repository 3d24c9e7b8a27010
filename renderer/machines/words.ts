/** Addresses, fingerprints and codes as people read and type them. */

export interface Place {
  readonly host: string
  readonly port: number
}

/** Reads host:port or [IPv6]:port; undefined for anything else. */
export function readPlace(typed: string): Place | undefined {
  const match = /^(?:\[([0-9a-f:.%]+)\]|([^:[\]\s]+)):(\d{1,5})$/i.exec(typed.trim())
  if (match === null) return undefined
  const [, address, name] = match
  const port = Number(match[3])
  return port >= 1 && port <= 65_535 ? { host: address ?? name, port } : undefined
}

const groups = (text: string, size: number): string[] => text.match(new RegExp(`.{1,${size}}`, 'g')) ?? []

/** A fingerprint whole, as the command line prints it: groups of four digits joined by colons. */
export const fingerprintText = (hex: string): string => groups(hex, 4).join(':')

/** Its beginning, to tell fingerprints apart; not enough to trust one. */
export const fingerprintStart = (hex: string): string => `${groups(hex, 4).slice(0, 4).join(':')}…`

export const CODE_DIGITS = 9
const GROUP = 3

export const codeDigits = (typed: string): string => typed.replaceAll(/\D/g, '').slice(0, CODE_DIGITS)

/** '482915073' → '482 915 073'; also of the beginning of a code. */
export const codeText = (digits: string): string => groups(digits, GROUP).join(' ')

/** Digit by digit, so that a screen reader does not read a number of hundreds of millions. */
export const codeSpoken = (digits: string): string =>
  groups(digits, GROUP)
    .map((group) => [...group].join(' '))
    .join(', ')

/** What is left until a moment, as '9:41'. */
export function countdown(ms: number): string {
  const seconds = Math.max(0, Math.ceil(ms / 1000))
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}`
}
