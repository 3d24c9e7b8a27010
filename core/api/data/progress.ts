/** What a private inference tells while it runs: plain data, in full each time, so that a window may come late. */

export const WORK_KINDS = ['he', 'gc', 'ot', 'share', 'wait'] as const
export type WorkKind = (typeof WORK_KINDS)[number]

export type StepKind =
  | 'conv'
  | 'dense'
  | 'relu'
  /** An activation of which no ReLU is kept. */
  | 'rescale'
  | 'maxPool'
  | 'avgPool'
  | 'add'
  | 'concat'
  | 'reshape'
  | 'reveal'

/** How far a step is: 0, 1 when done, 0.5 when the client has sent its half of an offline linear layer. */
export type StepState = 0 | 0.5 | 1

export interface InferenceStep {
  /** Id in the plan, which is that of the layer where it has one. */
  readonly id: string
  readonly kind: StepKind
  /** Shape of its output, for people: '64×32×32'. */
  readonly shape: string
  /** Of the image that is under way; null where the step has nothing to do in the phase. */
  readonly offline: { readonly client: StepState; readonly server: StepState } | null
  readonly online: { readonly client: StepState; readonly server: StepState } | null
  /** Framed bytes of the step for this image: so far, and in all once it is done. */
  readonly bytes: { readonly offline: BytesOf; readonly online: BytesOf }
}

export interface BytesOf {
  readonly done: number
  readonly total: number
}

/** Framed bytes by kind and direction; 'wait' moves none. */
export type KindBytes = Readonly<Record<WorkKind, { readonly up: number; readonly down: number }>>
/** Milliseconds by kind. */
export type KindMs = Readonly<Record<WorkKind, number>>

export interface PhaseSoFar {
  readonly bytes: KindBytes
  /** Each party's own time; its waiting includes the other's work. The server of another machine tells none. */
  readonly ms: { readonly client: KindMs; readonly server: KindMs | null }
}

export interface AnswerSoFar {
  /** In the order of the images, from 0. */
  readonly index: number
  readonly label: number
  /** Name of the class. */
  readonly name: string
  /** Label of the clear run, where this machine holds the model. */
  readonly clear?: number
}

export interface InferenceDetail {
  readonly kind: 'inference'
  /** From 0; the number of images when all are done. */
  readonly image: number
  readonly images: number
  readonly phase: 'setup' | 'offline' | 'online' | 'done'
  readonly steps: readonly InferenceStep[]
  /** Of the image that is under way. */
  readonly offline: PhaseSoFar
  readonly online: PhaseSoFar
  readonly answers: readonly AnswerSoFar[]
  /** Since the parties were started. */
  readonly elapsedMs: number
  /** Estimate; null while too little is known. */
  readonly remainingMs: number | null
}

/** Share of the work below which nothing is said about the rest. */
const TOO_LITTLE = 0.02

/** Time that is left when `fraction` took `elapsedMs`; null while too little is known. */
export function remaining(elapsedMs: number, fraction: number): number | null {
  if (fraction < TOO_LITTLE || elapsedMs < 500) return null
  return (elapsedMs * (1 - Math.min(1, fraction))) / fraction
}
