/**
 * What the process that asks for an inference and the two processes that run it say to each other (Node IPC with
 * structured clones). The client process is given only what a client may know; the model goes to the server alone.
 */
import type { Entry, LedgerData } from '../../ledger/ledger.ts'
import type { LoweredModel, Plan } from '../../network/plan.ts'
import type { Progress } from '../../protocol/client/context.ts'
import type { PublicCard } from '../../protocol/hello.ts'
import type { Seen, Watch } from './seen.ts'

/** What both parties need. */
export interface PartySettings {
  /** Folder of this party's packages. */
  readonly store: string
  /** Worker threads for HE. */
  readonly threads: number
  /** Kernels to force, as loadKernels takes them; null for the best. */
  readonly kernels: string | null
  /** Hand package seeds to the asking process, for the simulator; local mode only. */
  readonly revealSeeds: boolean
  /** Hand over what this party holds of these values and this step. */
  readonly watch?: Watch
}

export type ServerCommand =
  | { readonly do: 'identify' }
  | {
      readonly do: 'serve'
      readonly settings: PartySettings
      readonly model: LoweredModel
      readonly card: PublicCard
      /** Fingerprint of the only client that may connect. */
      readonly client: string
    }
  | { readonly do: 'stop' }

export type ClientCommand =
  | { readonly do: 'identify' }
  | {
      readonly do: 'connect'
      readonly settings: PartySettings
      readonly host: string
      readonly port: number
      readonly server: string
      readonly expectedPlan: string
    }
  | { readonly do: 'prepare' }
  | { readonly do: 'infer'; readonly package: string; readonly image: Float64Array }
  | { readonly do: 'stop' }

export interface Identified {
  readonly fingerprint: string
}
export interface Listening {
  readonly port: number
}
export interface Connected {
  readonly plan: Plan
  readonly kernels: string
  readonly setup: LedgerData
}
export interface PreparedHere {
  readonly package: string
  readonly seed: Uint8Array | null
  readonly ledger: LedgerData
  readonly seen: Seen | null
}
export interface Inferred {
  readonly label: number
  readonly logits: Float64Array | null
  readonly ledger: LedgerData
  readonly seen: Seen | null
}
export interface Stopped {
  /** Largest resident set of the process, bytes. */
  readonly peakMemory: number
}
/** The server's account of one request. */
export interface ServedHere {
  readonly phase: 'offline' | 'online'
  readonly package: string
  readonly seed: Uint8Array | null
  readonly ledger: LedgerData
  readonly seen: Seen | null
}

/** An error as it crosses a process boundary. */
export interface PartyError {
  readonly code: string
  readonly message: string
  readonly advice: string | null
}

/** From a party: the answer to a command, or an event of its own. */
export type FromParty =
  | { readonly kind: 'done'; readonly id: number; readonly result: unknown }
  | { readonly kind: 'failed'; readonly id: number; readonly error: PartyError }
  | { readonly kind: 'progress'; readonly done: Progress }
  /** The party's account of the request that it is at. */
  | { readonly kind: 'account'; readonly entries: readonly Entry[] }
  | { readonly kind: 'served'; readonly served: ServedHere }
  | { readonly kind: 'broken'; readonly error: PartyError }

/** To a party. */
export interface ToParty<C> {
  readonly id: number
  readonly command: C
}
