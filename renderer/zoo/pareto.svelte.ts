/** The chart of two measures: what it shows, and where it gets it from. */
import { host } from '../app/app.svelte.ts'
import { isCancelled } from '../app/failure.ts'
import type { Output } from '../app/host.svelte.ts'
import type { AxisSpec } from '../charts/axis.ts'
import { compact } from '../charts/axis.ts'
import type { ScatterPoint } from '../charts/scatter.ts'
import { text } from './text.ts'

export type Front = Output<'zooPareto'>

class ParetoState {
  x = $state('relus')
  y = $state('accuracy')
  xLog = $state(true)
  yLog = $state(false)
  /** Data set of the published points; '' for none, null until the first answer says which is the commonest. */
  published = $state<string | null>(null)
  front = $state.raw<Front | null>(null)
  error = $state.raw<unknown>(null)
  /** Data sets that papers report on. */
  datasets = $state.raw<readonly string[]>([])
  papers = $state.raw<Readonly<Record<string, string>>>({})
  #ended = new AbortController()

  readonly axes = $derived({ x: this.#axis(this.front?.x, this.xLog), y: this.#axis(this.front?.y, this.yLog) })
  readonly points = $derived.by(() => pointsOf(this.front, this.xLog, this.yLog, this.papers))
  /** Points that a log axis has no place for. */
  readonly atZero = $derived(
    this.front === null ? 0 : this.front.models.length + this.front.published.length - this.points.length,
  )

  async load(query: string): Promise<void> {
    this.#ended.abort()
    const ended = (this.#ended = new AbortController())
    const { x, y } = this
    try {
      if (this.datasets.length === 0) await this.#loadPublished()
      const published = this.published ?? ''
      const input = { x, y, query, ...(published === '' ? {} : { published }) }
      const front = await host.call('zooPareto', input, { signal: ended.signal })
      if (ended.signal.aborted) return
      this.front = front
      this.error = null
      this.published ??= this.#commonest(front)
    } catch (error) {
      if (!isCancelled(error) && !ended.signal.aborted) this.error = error
    }
  }

  async #loadPublished(): Promise<void> {
    const { points, papers } = await host.call('published', {})
    this.datasets = [...new Set(points.map(({ dataset }) => dataset))].sort()
    this.papers = Object.fromEntries(papers.map(({ id, title }) => [id, title]))
  }

  /** Of the models' data sets the commonest that papers report on. */
  #commonest(front: Front): string {
    const plain = (name: string): string => name.toLowerCase().replaceAll(/[^a-z0-9]/g, '')
    const counted = this.datasets.map((dataset) => ({
      dataset,
      count: front.models.filter((model) => plain(model.dataset) === plain(dataset)).length,
    }))
    const [best] = counted.toSorted((a, b) => b.count - a.count)
    return best !== undefined && best.count > 0 ? best.dataset : ''
  }

  #axis(measure: Front['x'] | undefined, log: boolean): AxisSpec {
    const name = measure?.name ?? ''
    const format = name === 'accuracy' ? (value: number) => `${Number((value * 100).toFixed(1))}%` : compact
    const unit = measure?.unit ? ` [${measure.unit}]` : ''
    return { label: `${text.measure(name)}${unit}`, log, format }
  }
}

function pointsOf(
  front: Front | null,
  xLog: boolean,
  yLog: boolean,
  papers: Readonly<Record<string, string>>,
): readonly ScatterPoint[] {
  if (front === null) return []
  const own = front.models.map(({ id, name, x, y, front }): ScatterPoint => ({
    key: id,
    x,
    y,
    label: name,
    front,
    kind: 'own',
  }))
  const published = front.published.map(({ point, x, y, front }, i): ScatterPoint => {
    const label = text.publishedPoint(
      point.method,
      point.network ?? '',
      papers[point.source.paper] ?? point.source.paper,
    )
    return { key: `published-${i}`, x, y, label, front, kind: 'published' }
  })
  return [...published, ...own].filter(({ x, y }) => (!xLog || x > 0) && (!yLog || y > 0))
}

export const pareto = new ParetoState()
