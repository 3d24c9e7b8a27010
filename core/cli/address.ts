/** Addresses as people type them. */
import { parsePlace } from '../api/hosting/addresses.ts'
import { AdytonError } from '../errors/errors.ts'

/** host:port, or [IPv6]:port. */
export function parseAddress(address: string): { readonly host: string; readonly port: number } {
  const found = parsePlace(address)
  if (found !== undefined) return found
  throw new AdytonError('usage', `'${address}' is not an address`, {
    advice: "Write HOST:PORT, as in 192.0.2.7:7373, or [IPv6]:PORT; 'serve' prints it.",
  })
}
