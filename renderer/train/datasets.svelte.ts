/** The data sets on this machine and those that can be fetched. */
import { host } from '../app/app.svelte.ts'
import type { Output } from '../app/host.svelte.ts'

export type Dataset = Output<'datasetList'>[number]

class Datasets {
  all = $state.raw<readonly Dataset[]>([])
  loaded = $state(false)
  error = $state.raw<unknown>()

  /** Those that can be used now, by the folder that operations take. */
  find(folder: string): Dataset | undefined {
    return folder === '' ? undefined : this.all.find((one) => one.folder === folder)
  }

  /** What a model was trained on, if it is here. `made`: as its card says. */
  of(made: string): Dataset | undefined {
    return this.all.find(({ folder, name }) => folder !== null && made.startsWith(name))
  }

  async load(): Promise<void> {
    try {
      this.all = await host.call('datasetList', {})
      this.error = undefined
      this.loaded = true
    } catch (error) {
      this.error = error
    }
  }
}

export const datasets = new Datasets()
