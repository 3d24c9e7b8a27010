/** What is about to be trained. It stays while the window is open, so that a look at another screen loses nothing. */
import { jobTitle } from '../../core/api/data/jobs.ts'
import type { BudgetModel } from '../../core/api/data/budget.ts'
import { host, jobs } from '../app/app.svelte.ts'
import { networks } from '../inference/networks.svelte.ts'
import { folderName, numbersOf, TAG, wordsOf } from './input.ts'
import { RecipeChoice } from './recipe.svelte.ts'
import type { text } from './text.ts'

export const MODES = ['train', 'linearise', 'sweep'] as const
export type Mode = (typeof MODES)[number]
export type Missing = keyof typeof text.missing
export const SCHEDULES = ['cosine', 'step', 'constant'] as const

const MAX_BUDGETS = 20
const within = (value: number | null, least: number, most: number): boolean =>
  value !== null && Number.isInteger(value) && value >= least && value <= most

export class Draft {
  mode = $state<Mode>('train')
  /** What operations take. */
  dataset = $state('')
  arch = $state('resnet8-w10')
  epochs = $state<number | null>(10)
  batch = $state<number | null>(64)
  rate = $state<number | null>(0.1)
  schedule = $state<(typeof SCHEDULES)[number]>('cosine')
  seed = $state<number | null>(1)
  model = $state('')
  readonly recipe = new RecipeChoice()
  /** ReLUs to keep; null until the range is known. */
  budget = $state<number | null>(null)
  /** Costs of the model by budget; null until they are known. */
  costs = $state.raw<BudgetModel | null>(null)
  budgets = $state('')
  name = $state('')
  tags = $state('')

  readonly valid = {
    epochs: () => within(this.epochs, 1, 10_000),
    batch: () => within(this.batch, 1, 65_536),
    rate: () => this.rate !== null && this.rate > 0 && this.rate <= 10,
    seed: () => within(this.seed, 0, 2 ** 32 - 1),
    removing: () => within(this.recipe.removing, 1, 10_000),
    finetune: () => within(this.recipe.finetune, 1, 10_000),
    budget: () => within(this.budget, 0, this.costs?.relus ?? 0),
    budgets: () => this.budgetList !== null,
    tags: () => this.tagList.every((tag) => TAG.test(tag)),
  }

  get tagList(): string[] {
    return wordsOf(this.tags)
  }

  /** Null when what is typed is no list of budgets. */
  get budgetList(): number[] | null {
    return numbersOf(this.budgets, this.costs?.relus ?? 2 ** 31, MAX_BUDGETS)
  }

  /** What stands in the way of a start. */
  get missing(): Missing | null {
    const { valid, recipe } = this
    if (this.mode === 'train') {
      if (this.dataset === '') return 'dataset'
      if (this.arch === '') return 'arch'
      if (![valid.epochs, valid.batch, valid.rate, valid.seed].every((good) => good())) return 'numbers'
      return valid.tags() ? null : 'tags'
    }
    if (this.model === '') return 'model'
    if (this.dataset === '') return 'dataset'
    if (recipe.method === undefined && recipe.recipe === undefined) return 'recipe'
    if (recipe.method !== undefined && !(valid.removing() && valid.finetune())) return 'numbers'
    if (!valid.seed()) return 'numbers'
    if (this.mode === 'sweep') return this.costs === null ? 'budget' : valid.budgets() ? null : 'numbers'
    if (recipe.needsBudget && this.budget === null) return 'budget'
    if (recipe.needsBudget && !valid.budget()) return 'numbers'
    return valid.tags() ? null : 'tags'
  }

  /** Half, a quarter and an eighth of the ReLUs. */
  suggest(): void {
    const relus = this.costs?.relus
    if (relus !== undefined) this.budgets = [2, 4, 8].map((part) => Math.round(relus / part)).join(', ')
  }

  /** Puts it into the queue; the job's id. Throws what the host answers. */
  async submit(): Promise<string> {
    const { data } = await host.call('about', {})
    const folder = (of: string): string => `${data}/trainings/${folderName(of)}`
    const model = networks.find(this.model)?.name ?? this.model
    switch (this.mode) {
      case 'train': {
        const input = this.#training(folder(this.arch))
        return (await jobs.submit('train', input, jobTitle('train', input))).id
      }
      case 'linearise': {
        const input = this.#linearising(folder(model))
        return (await jobs.submit('linearize', input, jobTitle('linearize', { ...input, model }))).id
      }
      case 'sweep': {
        const input = this.#sweeping(folder(model))
        return (await jobs.submit('sweep', input, jobTitle('sweep', { ...input, model }))).id
      }
    }
  }

  #named(): { name?: string; tags: string[]; keep: true } {
    const name = this.name.trim()
    return { ...(name === '' ? {} : { name }), tags: this.tagList, keep: true }
  }

  #training(out: string) {
    const { dataset, arch, schedule } = this
    const numbers = { epochs: this.epochs ?? 1, batch: this.batch ?? 1, rate: this.rate ?? 1, seed: this.seed ?? 1 }
    return { dataset, arch, schedule, ...numbers, out, ...this.#named() }
  }

  #linearising(out: string) {
    const { dataset, model, recipe } = this
    const budget = recipe.needsBudget && this.budget !== null ? { budget: this.budget } : {}
    const how =
      recipe.method === undefined
        ? { recipe: { ...recipe.recipe?.recipe, seed: this.seed ?? 1 } }
        : {
            method: recipe.method,
            epochs: recipe.removing ?? 1,
            finetune: recipe.finetune ?? 1,
            seed: this.seed ?? 1,
          }
    return { dataset, model, ...budget, ...how, out, ...this.#named() }
  }

  #sweeping(out: string) {
    const { dataset, model, recipe } = this
    const name = recipe.recipe?.name ?? ''
    const sweep = {
      version: 1,
      name,
      budgets: this.budgetList ?? [],
      seeds: [this.seed ?? 1],
      recipe: recipe.recipe?.recipe,
    }
    return { dataset, model, sweep, out }
  }
}

export const draft = new Draft()
