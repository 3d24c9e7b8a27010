import { existsSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { published, publishedOn, type PublishedPoint } from '../../core/zoo/published.ts'

const TABLES = fileURLToPath(new URL('../../../shared/papers/tables.json', import.meta.url))

const thousands = (x: number): number => Math.round(x * 1e3)
const millions = (x: number): number => Math.round(x * 1e6)

test('every point names one of the papers, and no row is there twice', () => {
  const { papers, points } = published()
  const ids = papers.map(({ id }) => id)
  expect(new Set(ids).size).toBe(ids.length)
  expect(new Set(points.map(({ source }) => source.paper))).toEqual(new Set(ids))
  expect(new Set(points.map((point) => JSON.stringify(point))).size).toBe(points.length)
})

test('a data set is found however it is spelt, and CIFAR-10 is not CIFAR-100', () => {
  expect(new Set(publishedOn('cifar 10').map(({ dataset }) => dataset))).toEqual(new Set(['CIFAR-10']))
  expect(publishedOn('tiny_imagenet')).toEqual(published().points.filter(({ dataset }) => dataset === 'Tiny-ImageNet'))
  const advice = expect.stringContaining('CIFAR-10, CIFAR-100') as string
  expect(() => publishedOn('MNIST')).toThrow(expect.objectContaining({ code: 'usage', advice }))
})

describe.runIf(existsSync(TABLES))('the tables of the papers (skipped where ../shared/papers is missing)', () => {
  interface Row {
    readonly dataset: string
    readonly relus_k: number
    readonly acc: number
    readonly macs_m?: number
    readonly kd?: boolean
    readonly latency_s?: number | null
    readonly he_s?: number
    readonly gc_s?: number
    readonly total_s?: number
  }
  interface Scaled {
    readonly acc: number
    readonly params_m: number
  }
  interface Optimised {
    readonly relus_k: number
    readonly macs_m: number
    readonly kd: number
    readonly dkd: number
  }
  interface Tables {
    readonly pareto: { readonly rows: readonly Row[] }
    readonly latency_he_gc: { readonly rows: readonly Row[] }
    readonly cryptonas_scaling: {
      readonly rows: readonly ({ readonly dataset: string; readonly relu_budget_k: number } & Record<string, Scaled>)[]
    }
    readonly architectures: {
      readonly cifar100: readonly { readonly relus_k: number; readonly macs_m: number; readonly accuracy?: number }[]
      readonly hrn_after_relu_optimization: readonly Optimised[]
      readonly hrn34_after_relu_optimization: readonly Optimised[]
      readonly cryptonas_wrn_cifar10: readonly ({ readonly relus_k: number } & Record<string, Scaled>)[]
    }
    readonly conflicts: unknown
  }
  const tables = existsSync(TABLES) ? (JSON.parse(readFileSync(TABLES, 'utf8')) as Tables) : undefined

  /** What must be true of a point for each row of the tables that is a result. */
  function expected(): Partial<PublishedPoint>[] {
    const { pareto, latency_he_gc: latency, cryptonas_scaling: scaling, architectures } = tables as Tables
    const rows: Partial<PublishedPoint>[] = []
    for (const row of [...pareto.rows, ...latency.rows]) {
      const { dataset, acc, relus_k: relus, macs_m: macs, kd, latency_s: online } = row
      const { he_s: he, gc_s: gc, total_s: total } = row
      rows.push({
        ...{ dataset, accuracy: acc, relus: thousands(relus) },
        ...(macs === undefined ? {} : { macs: millions(macs) }),
        ...(kd === undefined ? {} : { kd }),
        ...(online === undefined || online === null ? {} : { seconds: { online } }),
        ...(he === undefined || gc === undefined || total === undefined ? {} : { seconds: { he, gc, total } }),
      })
    }
    for (const row of [...architectures.hrn_after_relu_optimization, ...architectures.hrn34_after_relu_optimization]) {
      const rest = { dataset: 'CIFAR-100', relus: thousands(row.relus_k), macs: millions(row.macs_m), kd: true }
      rows.push({ ...rest, accuracy: row.kd }, { ...rest, accuracy: row.dkd })
    }
    for (const { accuracy, relus_k: relus, macs_m: macs } of architectures.cifar100) {
      if (accuracy === undefined) continue
      rows.push({ dataset: 'CIFAR-100', accuracy, relus: thousands(relus), macs: millions(macs) })
    }
    const scaled = (dataset: string, relus: number, { acc, params_m: params }: Scaled): void => {
      rows.push({ dataset, relus: thousands(relus), accuracy: acc, params: millions(params) })
    }
    for (const row of scaling.rows) {
      for (const by of ['relu', 'flop', 'channel']) scaled(row.dataset, row.relu_budget_k, row[`${by}_balanced`])
    }
    for (const row of architectures.cryptonas_wrn_cifar10) {
      for (const by of ['relu', 'flop']) scaled('CIFAR-10', row.relus_k, row[`${by}_balanced`])
    }
    return rows
  }

  const fits = (point: PublishedPoint, row: Partial<PublishedPoint>): boolean =>
    Object.entries(row).every(
      ([field, value]) => JSON.stringify(point[field as keyof PublishedPoint]) === JSON.stringify(value),
    )

  test('every result in them is a point with the same numbers', () => {
    const { points } = published()
    const missing = expected().filter((row) => !points.some((point) => fits(point, row)))
    expect(missing).toEqual([])
  })

  test('every point is a result in them, and says no more', () => {
    const rows = expected()
    for (const point of published().points) {
      const found = rows.filter((row) => fits(point, row))
      // A SENet or HybReNet row is in two of their lists, each with numbers of its own.
      const told = new Set(found.flatMap((row) => Object.keys(row)))
      for (const field of ['relus', 'macs', 'params', 'accuracy', 'seconds'] as const) {
        expect([point, field, told.has(field)]).toEqual([point, field, point[field] !== undefined])
      }
    }
  })

  test('the conflicts are theirs', () => {
    expect(published().conflicts).toEqual(tables?.conflicts)
  })
})
