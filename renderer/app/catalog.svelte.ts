/** The catalog that is shown: a backup may take its place, whichever window restores it. */
import { host } from './app.svelte.ts'

class Catalog {
  /** Grows when another catalog takes its place; whoever shows a part of it shows it anew. */
  epoch = $state(0)
  readonly #replaced = new Set<() => void>()

  constructor() {
    host.listen(({ type }) => {
      if (type !== 'zoo.replaced') return
      this.epoch++
      for (const replaced of this.#replaced) replaced()
    })
  }

  onReplaced(replaced: () => void): void {
    this.#replaced.add(replaced)
  }
}

export const catalog = new Catalog()
