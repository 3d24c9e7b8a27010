/**
 * What one paired client holds while it runs packages: the connection, the agreed plan, keys and the store.
 */
import type { HePool } from '../../he/pool.ts'
import type { Kernels } from '../../kernels/interface.ts'
import type { Plan } from '../../network/plan.ts'
import type { ClientPairing } from '../../ot/bootstrap.ts'
import type { Link } from '../link.ts'
import type { PackageMeta, PackageStore } from '../store/store.ts'
import type { Witness } from '../witness.ts'

/** A step of an inference that is done; for progress displays. */
export interface Progress {
  readonly phase: 'offline' | 'online'
  readonly step: string
  readonly what: 'encrypted' | 'answered' | 'garbled' | 'computed' | 'evaluated'
}

export interface ClientContext {
  readonly link: Link
  readonly plan: Plan
  readonly kernels: Kernels
  readonly he: HePool
  readonly store: PackageStore
  readonly pairing: ClientPairing
  /** Secret HE keys, by plaintext width. */
  readonly secretKeys: ReadonlyMap<number, Uint8Array>
  /** Hand package seeds to the caller, for a simulator; local mode only. */
  readonly revealSeeds: boolean
  /** Local mode only. */
  readonly witness?: Witness | undefined
  progress(done: Progress): void
  /** Description of a new package of this session. */
  packageMeta(id: string): PackageMeta
  /** Throws 'model-mismatch', 'version-mismatch' or 'peer-untrusted' when a stored package is not of this session. */
  checkPackage(meta: PackageMeta): void
}
