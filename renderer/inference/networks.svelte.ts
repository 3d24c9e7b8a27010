/** The networks to choose from, and what each is thought to cost. */
import type { DescribeResult } from '../../core/api/operations/describe.ts'
import { host, jobs } from '../app/app.svelte.ts'
import { catalog } from '../app/catalog.svelte.ts'

export interface Network {
  /** What operations take: id of a bundled model, or zoo:ID. */
  readonly id: string
  readonly name: string
  readonly dataset: string | null
  readonly relus: number | null
  readonly accuracy: number | null
}

export type Costs = NonNullable<DescribeResult['costs']>

const SHOWN = 100
const ZOO = 'zoo:'

class Networks {
  bundled = $state.raw<readonly Network[]>([])
  zoo = $state.raw<readonly Network[]>([])
  /** Models of the zoo that fulfil the search, on all its pages. */
  total = $state(0)
  /** Models of the zoo in all. */
  size = $state(0)
  loaded = $state(false)
  error = $state.raw<unknown>()
  /** Whatever was asked for by its id. */
  #others = $state.raw<readonly Network[]>([])
  readonly #costs = new Map<string, Promise<Costs>>()
  #query = ''

  constructor() {
    catalog.onReplaced(() => {
      this.#others = []
      this.#costs.clear()
      if (this.loaded) void this.load(this.#query)
    })
    // Estimates are others from then on.
    jobs.onEnded(({ operation }) => operation === 'calibrate' && this.#costs.clear())
  }

  find(id: string): Network | undefined {
    return [...this.bundled, ...this.zoo, ...this.#others].find((network) => network.id === id)
  }

  async load(query = ''): Promise<void> {
    this.error = undefined
    this.#query = query
    try {
      const [bundled, zoo] = await Promise.all([
        this.bundled.length > 0 ? this.bundled : host.call('models', {}),
        host.call('zooList', { query, sort: 'changed', descending: true, limit: SHOWN }),
      ])
      this.bundled = bundled
      this.zoo = zoo.models.map((model) => ({ ...model, id: `${ZOO}${model.id}` }))
      this.total = zoo.total
      if (query === '') this.size = zoo.total
      this.loaded = true
    } catch (error) {
      this.error = error
    }
  }

  /** Makes a model of the zoo known that may be on a later page. */
  async want(id: string): Promise<void> {
    if (!id.startsWith(ZOO) || this.find(id) !== undefined) return
    const { name, dataset, relus, accuracy } = await host.call('zooShow', { id: id.slice(ZOO.length) })
    this.#others = [...this.#others, { id, name, dataset, relus, accuracy }]
  }

  /** Of one inference, before anything runs. */
  costs(id: string, reveal: 'logits' | 'label'): Promise<Costs> {
    const key = `${id} ${reveal}`
    const known = this.#costs.get(key)
    if (known !== undefined) return known
    const asked = host.call('describe', { source: { model: id }, costs: true, reveal }).then(({ costs }) => {
      if (costs === undefined) throw new Error('costs were asked for')
      return costs
    })
    asked.catch(() => this.#costs.delete(key))
    this.#costs.set(key, asked)
    return asked
  }
}

export const networks = new Networks()
