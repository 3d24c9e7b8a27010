/** A test of the way to a server, as it goes on; also the way to learn what a server offers. */
import {
  TEST_STEPS,
  type ConnectionTestResult,
  type TestStep,
  type TestStepId,
} from '../../core/api/data/connection-test.ts'
import type { ConnectionTestDetail } from '../../core/api/data/connection-test.ts'
import { host } from '../app/app.svelte.ts'
import { isCancelled } from '../app/failure.ts'

export interface Target {
  readonly host?: string | undefined
  readonly port?: number | undefined
  /** Fingerprint of a paired server. */
  readonly peer?: string | undefined
}

export interface ShownStep extends Omit<TestStep, 'state' | 'id'> {
  readonly id: TestStepId
  readonly state: TestStep['state'] | 'waiting' | 'running'
}

export class ConnectionTest {
  running = $state(false)
  result = $state.raw<ConnectionTestResult>()
  /** The test itself failed. */
  error = $state.raw<unknown>()
  /** Of the last test. */
  target = $state.raw<Target>()
  #steps = $state.raw<readonly TestStep[]>([])
  #abort: AbortController | undefined

  /** All steps, with those that are still to come. */
  readonly steps: readonly ShownStep[] = $derived(
    TEST_STEPS.map((id, i) => {
      const step = this.#steps.at(i)
      if (step !== undefined) return step
      const state = this.running && i === this.#steps.length ? 'running' : 'waiting'
      return { id, state, text: '', advice: null, ms: null }
    }),
  )

  async run(target: Target): Promise<void> {
    this.stop()
    const abort = new AbortController()
    this.#abort = abort
    this.target = target
    this.running = true
    this.result = undefined
    this.error = undefined
    this.#steps = []
    try {
      const result = await host.call('connectionTest', target, {
        signal: abort.signal,
        onProgress: ({ detail }) => {
          if (this.#abort === abort) this.#steps = (detail as ConnectionTestDetail).steps
        },
      })
      if (this.#abort !== abort) return
      this.result = result
      this.#steps = result.steps
    } catch (error) {
      if (this.#abort === abort && !isCancelled(error)) this.error = error
    } finally {
      if (this.#abort === abort) this.running = false
    }
  }

  stop(): void {
    this.#abort?.abort()
    this.#abort = undefined
    this.running = false
  }
}
