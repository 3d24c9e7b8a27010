/** Where other machines may reach what listens here. */
import { networkInterfaces } from 'node:os'
import { place } from '../../channel/tls-errors.ts'

/** Reads host:port or [IPv6]:port; undefined for anything else. */
export function parsePlace(text: string): { readonly host: string; readonly port: number } | undefined {
  const match = /^(?:\[([0-9a-fA-F:.%]+)\]|([^:[\]]+)):(\d{1,5})$/.exec(text)
  return match === null ? undefined : { host: match[1] ?? match[2], port: Number(match[3]) }
}

/**
 * Addresses for people to type on another machine: those of the network interfaces when it listens on all of them, IPv4
 * first; none when it listens on loopback.
 */
export function reachable(bound: string, port: number): string[] {
  if (isLoopback(bound)) return []
  if (bound !== '0.0.0.0' && bound !== '::') return [place(bound, port)]
  const all = Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? [])
  const usable = all.filter(
    // Link-local addresses need the name of an interface of the other machine.
    ({ internal, family, address }) => !internal && (family === 'IPv4' || bound === '::') && !/^fe80:/i.test(address),
  )
  return usable.sort((a, b) => a.family.localeCompare(b.family)).map(({ address }) => place(address, port))
}

export function isLoopback(address: string): boolean {
  return address === '::1' || address === 'localhost' || address.startsWith('127.')
}
