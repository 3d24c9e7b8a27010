/** What a private inference of a model would cost with fewer ReLUs; asked once for each model. */
import type { BudgetModel } from '../../core/api/data/budget.ts'
import { host } from '../app/app.svelte.ts'

const known = new Map<string, Promise<BudgetModel>>()

/** A failure is forgotten, so that it can be tried again. */
function ask(model: string): Promise<BudgetModel> {
  const before = known.get(model)
  if (before !== undefined) return before
  const asked = host.call('budgetCosts', { source: { model } })
  asked.catch(() => known.delete(model))
  known.set(model, asked)
  return asked
}

/** Follows a model while a component shows it. */
export class CostsOf {
  costs = $state.raw<BudgetModel | null>(null)
  error = $state.raw<unknown>()
  #tries = $state(0)

  /** `model`: what operations take; '' for none yet. */
  constructor(model: () => string) {
    $effect(() => {
      void this.#tries
      const id = model()
      let gone = false
      this.costs = null
      this.error = undefined
      if (id === '') return
      ask(id).then(
        (costs) => !gone && (this.costs = costs),
        (error: unknown) => !gone && (this.error = error),
      )
      return () => {
        gone = true
      }
    })
  }

  again(): void {
    this.#tries++
  }
}
