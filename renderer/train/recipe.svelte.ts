/** How a model is linearised: a method, a recipe that comes with the program, or one's own. */
import { host } from '../app/app.svelte.ts'
import { isCancelled } from '../app/failure.ts'
import type { Output } from '../app/host.svelte.ts'

export const METHODS = ['snl', 'snl-channel', 'random', 'drop-layers', 'prune-filters'] as const
export type Method = (typeof METHODS)[number]
export type RecipeRow = Output<'recipes'>[number]
export type Verdict = Output<'recipeCheck'>

/** After the last key. */
const SETTLED_MS = 250

export class RecipeChoice {
  /** A method, the id of a recipe, or 'own'. */
  how = $state<string>('snl')
  removing = $state<number | null>(20)
  finetune = $state<number | null>(10)
  listed = $state.raw<readonly RecipeRow[]>([])
  error = $state.raw<unknown>()
  /** One's own, as it is typed. */
  own = $state('')
  verdict = $state.raw<Verdict | null>(null)
  #checking: AbortController | undefined

  get method(): Method | undefined {
    return METHODS.find((method) => method === this.how)
  }

  /** The recipe in words; undefined for a method, and for one's own while it is wrong. */
  get recipe(): Omit<RecipeRow, 'id'> | undefined {
    if (this.how === 'own') return this.verdict?.valid === true ? this.verdict : undefined
    return this.listed.find(({ id }) => id === this.how)
  }

  /** Whether it is for the person to say how many ReLUs stay. */
  get needsBudget(): boolean {
    return this.method !== undefined || (this.recipe?.needsBudget ?? true)
  }

  /** Of training, at most. */
  get epochs(): number {
    if (this.method === undefined) return this.recipe?.epochs ?? 0
    return (this.method.startsWith('snl') ? (this.removing ?? 0) : 0) + (this.finetune ?? 0)
  }

  async load(): Promise<void> {
    try {
      this.listed = await host.call('recipes', {})
      this.error = undefined
    } catch (error) {
      this.error = error
    }
  }

  /** One's own begins with the recipe that was looked at. */
  begin(): void {
    if (this.own !== '') return
    const template = this.listed.find(({ needsBudget }) => needsBudget)
    if (template !== undefined) this.type(`${JSON.stringify(template.recipe, undefined, 2)}\n`)
  }

  type(own: string): void {
    this.own = own
    this.#checking?.abort()
    this.verdict = null
    if (own.trim() === '') return
    const { signal } = (this.#checking = new AbortController())
    setTimeout(() => {
      if (signal.aborted) return
      host.call('recipeCheck', { text: own }, { signal }).then(
        (verdict) => !signal.aborted && (this.verdict = verdict),
        (error: unknown) => !signal.aborted && !isCancelled(error) && (this.error = error),
      )
    }, SETTLED_MS)
  }
}
