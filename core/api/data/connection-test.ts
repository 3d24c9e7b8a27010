/** What a test of a connection finds, step by step: plain data. */

export const TEST_STEPS = ['name', 'reach', 'tls', 'server', 'client', 'version', 'clock', 'latency'] as const
/**
 * The host name is known, TCP reaches the port, an Adyton answers, the server is who it should be, it knows this
 * installation, both speak one version, this clock can be right, and how long a word takes.
 */
export type TestStepId = (typeof TEST_STEPS)[number]

export interface TestStep {
  readonly id: TestStepId
  readonly state: 'ok' | 'failed' | 'skipped'
  /** What was found, or what is wrong. */
  readonly text: string
  /** What to do about it. */
  readonly advice: string | null
  readonly ms: number | null
}

export interface ConnectionTestResult {
  readonly ok: boolean
  readonly address: string
  /** All of TEST_STEPS, in this order. */
  readonly steps: readonly TestStep[]
  /** Who answered, whether it is known or not. */
  readonly server: { readonly fingerprint: string; readonly name: string | null } | null
  /** What the server offers, once it has said so. */
  readonly models: readonly { readonly id: string; readonly name: string; readonly dataset: string }[]
  /** There and back, ms. */
  readonly rttMs: number | null
}

export interface ConnectionTestDetail {
  readonly kind: 'connectionTest'
  readonly steps: readonly TestStep[]
}
