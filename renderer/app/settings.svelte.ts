/** The installation's settings in this window: read when the host answers, changed at once and kept by the host. */
import { changeSettings, DEFAULT_SETTINGS, type Settings, type SettingsChange } from '../../core/api/data/settings.ts'
import type { HostClient } from './host.svelte.ts'
import { theme } from './theme.svelte.ts'
import { toasts } from './toasts.svelte.ts'

export class SettingsState {
  readonly #host: HostClient
  current = $state.raw<Settings>(DEFAULT_SETTINGS)
  loaded = $state(false)

  constructor(host: HostClient) {
    this.#host = host
    host.onOpen(() => void this.#load())
  }

  change(change: SettingsChange): void {
    const before = this.current
    this.#take(changeSettings(before, change))
    this.#host
      .call('settings', { change })
      .then((kept) => this.#take(kept))
      .catch((error: unknown) => {
        this.#take(before)
        toasts.fail(error)
      })
  }

  async #load(): Promise<void> {
    try {
      this.#take(await this.#host.call('settings', {}))
      this.loaded = true
    } catch (error) {
      toasts.fail(error)
    }
  }

  #take(settings: Settings): void {
    this.current = settings
    theme.set(settings.theme)
    if (settings.motion === 'reduced') document.documentElement.dataset.motion = 'reduce'
    else delete document.documentElement.dataset.motion
  }
}
