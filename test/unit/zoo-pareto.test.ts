import { join } from 'node:path'
import fc from 'fast-check'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { addMeasurement } from '../../core/zoo/measurements.ts'
import { findModel } from '../../core/zoo/models.ts'
import { paretoOf, type Measure } from '../../core/zoo/pareto.ts'
import { publishedOn } from '../../core/zoo/published.ts'
import { trashModels } from '../../core/zoo/trash.ts'
import { openZoo, type Zoo } from '../../core/zoo/zoo.ts'
import { insertRow, temporaryFolder } from '../fixtures/zoo.ts'

let folder: Awaited<ReturnType<typeof temporaryFolder>>
let zoo: Zoo
beforeEach(async () => {
  folder = await temporaryFolder()
  zoo = await openZoo(join(folder.dir, 'data'))
})
afterEach(async () => {
  zoo.close()
  await folder[Symbol.asyncDispose]()
})

interface Point {
  readonly x: number
  readonly y: number
}

/** By the definition: some other point is at least as good in both measures and better in one. */
function dominated(point: Point, all: readonly Point[], x: Measure, y: Measure): boolean {
  const atLeast = (m: Measure, a: number, b: number): boolean => (m.better === 'more' ? a >= b : a <= b)
  return all.some(
    (other) =>
      atLeast(x, other.x, point.x) && atLeast(y, other.y, point.y) && (other.x !== point.x || other.y !== point.y),
  )
}

const measure = (id: string, what: string, value: number, unit = 's', at = 1): void =>
  zoo.write(() => {
    const rest = { unit, dataset: null, images: null, machine: null, at }
    addMeasurement(zoo.db, findModel(zoo.db, id).version, { what, value, ...rest })
  })

test('the front is what no other model dominates, in every direction, with ties', () => {
  // Few different values, so that there are many ties.
  const row = fc.record({
    relus: fc.integer({ min: 0, max: 5 }),
    accuracy: fc.option(fc.integer({ min: 0, max: 5 }).map((n) => n / 8)),
  })
  fc.assert(
    fc.property(fc.array(row, { maxLength: 12 }), fc.boolean(), (rows, turned) => {
      zoo.db.exec('DELETE FROM models; DELETE FROM search')
      const ids = rows.map((one, i) => insertRow(zoo, { name: `m${i}`, ...one }))
      const [x, y] = turned ? ['accuracy', 'relus'] : ['relus', 'accuracy']
      const front = paretoOf(zoo, { x, y })
      expect([front.x.better, front.y.better]).toEqual(turned ? ['more', 'less'] : ['less', 'more'])
      const measured = rows.flatMap(({ relus, accuracy }, i) =>
        accuracy === null ? [] : [{ id: ids[i], x: turned ? accuracy : relus, y: turned ? relus : accuracy }],
      )
      expect(front.leftOut).toBe(rows.length - measured.length)
      expect(front.models.map(({ id, x, y, front: on }) => [id, x, y, on]).sort()).toEqual(
        measured.map((one) => [one.id, one.x, one.y, !dominated(one, measured, front.x, front.y)]).sort(),
      )
      expect(paretoOf(zoo, { x, y })).toEqual(front)
    }),
    { numRuns: 40 },
  )
})

test('equal models stand in the order of their ids, whatever the order of their making', () => {
  for (let i = 0; i < 8; i++) insertRow(zoo, { name: `m${i}`, relus: 5, accuracy: 0.5 })
  const { models } = paretoOf(zoo, { x: 'relus', y: 'acc' })
  expect(models.map(({ id }) => id)).toEqual(models.map(({ id }) => id).sort())
  expect(models.every(({ front }) => front)).toBe(true)
})

test('the query says which models; those in the trash are none', () => {
  insertRow(zoo, { name: 'worse', relus: 9, accuracy: 0.1, dataset: 'CIFAR-10' })
  insertRow(zoo, { name: 'elsewhere', relus: 1, accuracy: 0.9, dataset: 'CIFAR-100' })
  trashModels(zoo, [insertRow(zoo, { name: 'thrown away', relus: 1, accuracy: 0.9, dataset: 'CIFAR-10' })])
  const { models } = paretoOf(zoo, { x: 'relus', y: 'accuracy', query: 'dataset:cifar10' })
  expect(models.map(({ name, front }) => [name, front])).toEqual([['worse', true]])
})

test('any measurement is a measure: the newest counts, in one unit', () => {
  const [a, b, c] = ['a', 'b', 'c'].map((name) => insertRow(zoo, { name }))
  measure(a, 'online', 9, 's', 1)
  measure(a, 'online', 2, 's', 5)
  measure(b, 'online', 3)
  const front = paretoOf(zoo, { x: 'online', y: 'relus' })
  expect(front.x).toEqual({ name: 'online', better: 'less', unit: 's' })
  expect(front.models.map(({ id, x, front: on }) => [id, x, on])).toEqual([
    [a, 2, true],
    [b, 3, false],
  ])
  expect(front.leftOut).toBe(1)
  measure(c, 'online', 2, 'ms')
  expect(() => paretoOf(zoo, { x: 'online', y: 'relus' })).toThrow(/several units: 'ms', 's'/)
  expect(paretoOf(zoo, { x: 'online', y: 'relus', query: `-id:${c}` }).models).toHaveLength(2)
})

test('one measure twice and one that nobody has are refused', () => {
  insertRow(zoo, { name: 'a' })
  expect(() => paretoOf(zoo, { x: 'acc', y: 'accuracy' })).toThrow(/two measures/)
  expect(() => paretoOf(zoo, { x: 'relus', y: 'onlin' })).toThrow(
    expect.objectContaining({ code: 'usage', message: "no model has a measurement 'onlin'" }),
  )
})

test('published results stand beside with a front of their own', () => {
  const id = insertRow(zoo, { name: 'mine', relus: 1, accuracy: 0.99, dataset: 'CIFAR-100' })
  const front = paretoOf(zoo, { x: 'relus', y: 'accuracy', query: 'dataset:cifar100', published: 'cifar100' })
  expect(front.models).toEqual([{ id, name: 'mine', dataset: 'CIFAR-100', x: 1, y: 0.99, front: true }])
  const points = publishedOn('CIFAR-100').map((point) => ({ point, x: point.relus, y: point.accuracy / 100 }))
  expect(front.published).toHaveLength(points.length)
  const on = points.filter((one) => !dominated(one, points, front.x, front.y))
  expect(new Set(front.published.filter((one) => one.front).map(({ point }) => point))).toEqual(
    new Set(on.map(({ point }) => point)),
  )
  const macs = paretoOf(zoo, { x: 'macs', y: 'accuracy', published: 'cifar100' })
  expect(macs.published.every(({ point }) => point.macs !== undefined)).toBe(true)
  expect(macs.published.length + macs.publishedLeftOut).toBe(points.length)
  expect(macs.publishedLeftOut).toBeGreaterThan(0)
})
