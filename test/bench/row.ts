/** A row of `npm run bench -- --json`, and how rows become a table for people. */
import { cpus, availableParallelism, totalmem } from 'node:os'
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import * as v from 'valibot'
import { VERSION } from '../../core/api/software.ts'
import { table } from '../../core/cli/format.ts'
import { loadKernels } from '../../core/kernels/index.ts'

const text = v.pipe(v.string(), v.minLength(1))
const figure = v.pipe(v.number(), v.finite())
const against = v.nullable(v.strictObject({ label: text, value: figure }))

export const RowSchema = v.strictObject({
  /** Such as 'gc.garble'; no two rows have the same. */
  id: text,
  label: text,
  value: figure,
  unit: text,
  /** The value is the median of so many, of kernels the best. */
  runs: v.pipe(v.number(), v.safeInteger(), v.minValue(1)),
  /** What it is compared with, in the same unit. */
  against,
  /** How many times as fast; of what is no speed, `value` by the other value. */
  ratio: v.nullable(figure),
  /** The same row of a run that was saved on such a machine, and how many times as fast this one is. */
  previous: v.nullable(v.strictObject({ label: text, value: figure, ratio: figure })),
  /** Machine, kernels and versions. */
  on: text,
})
export type Row = v.InferOutput<typeof RowSchema>
export type Against = NonNullable<Row['against']>

/** Small is better of times; of memory and bytes neither. */
const isTime = (unit: string): boolean => unit === 's' || unit === 'ms'
const timesAsFast = (unit: string, value: number, other: number): number =>
  isTime(unit) ? other / value : value / other

export const median = (values: readonly number[]): number => [...values].sort((a, b) => a - b)[values.length >> 1]

/** A row of several runs. `kernels` names those that it ran on. */
export function row(
  id: string,
  label: string,
  unit: string,
  values: readonly number[],
  other: Against | null,
  kernels: string = loadKernels().name,
): Row {
  const value = median(values)
  return {
    ...{ id, label, value, unit, runs: values.length, against: other },
    ratio: other === null ? null : timesAsFast(unit, value, other.value),
    previous: null,
    on: `${machine()}; ${kernels}; Node ${process.versions.node}; adyton ${VERSION}`,
  }
}

/** 'AMD EPYC, 2 cores, 23 GiB'. */
export function machine(): string {
  const model = cpus()[0]?.model.trim() ?? process.arch
  return `${model}, ${availableParallelism()} cores, ${Math.floor(totalmem() / 2 ** 30)} GiB`
}

/** Runs that were saved, one for each release: a list of rows, named by the version. */
export const SAVED = join(import.meta.dirname, 'saved')

export function save(rows: readonly Row[], folder: string = SAVED): string {
  mkdirSync(folder, { recursive: true })
  const path = join(folder, `${VERSION}.json`)
  writeFileSync(path, `${JSON.stringify(rows, undefined, 2)}\n`)
  return path
}

/** Puts each row beside that of the newest saved run of a machine with the same processor, cores and memory. */
export function withPrevious(rows: readonly Row[], folder: string = SAVED): Row[] {
  const files = existsSync(folder) ? readdirSync(folder).filter((name) => name.endsWith('.json')) : []
  const newest = files.sort((a, b) => b.localeCompare(a, undefined, { numeric: true }))
  for (const file of newest) {
    const saved = v.parse(v.array(RowSchema), JSON.parse(readFileSync(join(folder, file), 'utf8')))
    if (saved[0]?.on.startsWith(`${machine()};`) !== true) continue
    const byId = new Map(saved.map((one) => [one.id, one]))
    return rows.map((one) => {
      const old = byId.get(one.id)
      if (old === undefined || old.unit !== one.unit) return one
      const ratio = timesAsFast(one.unit, one.value, old.value)
      return { ...one, previous: { label: file.slice(0, -'.json'.length), value: old.value, ratio } }
    })
  }
  return [...rows]
}

const short = (value: number): string => (Math.abs(value) >= 1000 ? value.toFixed(0) : value.toPrecision(3))

export function rowTable(rows: readonly Row[]): string {
  const lines = rows.map(({ label, value, unit, against: other, ratio, previous }) => [
    ...[label, `${short(value)} ${unit}`],
    other === null ? '' : `${short(other.value)} (${other.label})`,
    ratio === null ? '' : short(ratio),
    previous === null ? '' : `${short(previous.ratio)} (${previous.label})`,
  ])
  return table(['what', 'median', 'against', 'ratio', 'by the last release'], lines)
}
