/** One model of the catalog, as the tabs of its screen share it. */
import { host } from '../app/app.svelte.ts'
import type { Output } from '../app/host.svelte.ts'

export type Details = Output<'zooShow'>
export type Layers = Output<'modelLayers'>

export class ModelState {
  readonly id: string
  details = $state.raw<Details | null>(null)
  error = $state.raw<unknown>(null)
  #layers: Promise<Layers> | undefined

  constructor(id: string) {
    this.id = id
  }

  async load(): Promise<void> {
    try {
      this.details = await host.call('zooShow', { id: this.id })
      this.error = null
    } catch (error) {
      this.error = error
    }
  }

  /** Read once: a network takes a moment. */
  layers(): Promise<Layers> {
    this.#layers ??= host.call('modelLayers', { source: { model: `zoo:${this.id}` } }).catch((error: unknown) => {
      this.#layers = undefined
      throw error
    })
    return this.#layers
  }

  /** Files have changed. */
  forgetLayers(): void {
    this.#layers = undefined
  }
}
