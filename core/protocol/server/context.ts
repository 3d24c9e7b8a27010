/**
 * What the server holds for one connected client.
 */
import type { HePool } from '../../he/pool.ts'
import type { Kernels } from '../../kernels/interface.ts'
import type { HeParameters, LoweredWeights, Plan } from '../../network/plan.ts'
import type { ServerPairing } from '../../ot/bootstrap.ts'
import type { Progress } from '../client/context.ts'
import type { Link } from '../link.ts'
import type { PackageMeta, PackageStore } from '../store/store.ts'
import type { Witness } from '../witness.ts'

export interface ServerContext {
  readonly link: Link
  readonly plan: Plan
  readonly secret: LoweredWeights
  readonly kernels: Kernels
  readonly he: HePool
  readonly store: PackageStore
  readonly pairing: ServerPairing
  /** The client's HE public keys in wire form, by plaintext width. */
  readonly publicKeys: ReadonlyMap<number, Uint8Array>
  /** Aborted when the client is gone, so that long work for it ends. */
  readonly disconnected: AbortSignal | undefined
  /** Hand package seeds to the caller, for a simulator; local mode only. */
  readonly revealSeeds: boolean
  /** Local mode only. */
  readonly witness?: Witness | undefined
  /** Called before a request is served; throws to refuse it. */
  admit(phase: 'offline' | 'online'): void
  progress(done: Progress): void
  packageMeta(id: string): PackageMeta
  checkPackage(meta: PackageMeta): void
}

export function publicKeyFor(context: ServerContext, he: HeParameters): Uint8Array {
  const key = context.publicKeys.get(he.plainBits)
  if (key === undefined) throw new Error(`no public key for plaintexts of ${he.plainBits} bits`)
  return key
}
