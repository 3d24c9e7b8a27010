/** Private inference against the server of another machine: its address in this window, and what its jobs were given. */
import type { WindowJob } from '../../core/api/data/contract.ts'
import type { ConnectInput } from '../../core/api/operations/connect.ts'
import { readPlace } from './words.ts'

export interface Remote {
  /** Fingerprint of the paired server. */
  readonly peer: string
  /** host:port, where it is not where it was last. */
  readonly at?: string | undefined
  readonly model?: string | undefined
}

export function remoteAddress({ peer, at, model }: Remote): string {
  const query = new URLSearchParams({ server: peer })
  if (at !== undefined && at !== '') query.set('at', at)
  if (model !== undefined) query.set('model', model)
  return `/inference?${query}`
}

/** Where to go on after a run: the same server and network. */
export function againAt(job: WindowJob): string {
  const { peer, host, port, model } = job.input as Partial<ConnectInput>
  if (peer === undefined) return '/machines/join'
  const at =
    host === undefined || port === undefined ? undefined : host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
  return remoteAddress({ peer, at, model })
}

/** What `connect` takes to find the server. */
export function targetOf({ peer, at }: Remote): Pick<ConnectInput, 'peer' | 'host' | 'port'> {
  return { peer, ...(at === undefined ? undefined : readPlace(at)) }
}
