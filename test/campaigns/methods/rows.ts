/** Measured rows, one JSON file each, so that two runs beside each other never write the same one. */
import { mkdir, readdir, readFile, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import * as v from 'valibot'
import { METHODS } from './plan.ts'

const count = v.pipe(v.number(), v.integer(), v.minValue(0))

const RowSchema = v.strictObject({
  network: v.string(),
  seed: count,
  /** 'full' is the network that the others start from. */
  method: v.picklist(['full', ...METHODS]),
  /** ReLUs asked for. */
  budget: count,
  relus: count,
  /** Fraction of the test images. */
  top1: v.number(),
  images: count,
  epochs: v.strictObject({ sparsify: count, train: count }),
  layers: v.array(v.strictObject({ id: v.string(), total: count, kept: count })),
  engine: v.string(),
})
export type Row = v.InferOutput<typeof RowSchema>

const fileOf = ({ network, seed, method, budget }: Pick<Row, 'network' | 'seed' | 'method' | 'budget'>): string =>
  `${network}-seed${seed}-${budget}-${method}.json`

export async function readRows(folder: string): Promise<Row[]> {
  await mkdir(folder, { recursive: true })
  const files = (await readdir(folder)).filter((file) => file.endsWith('.json')).sort()
  return Promise.all(
    files.map(async (file) => v.parse(RowSchema, JSON.parse(await readFile(join(folder, file), 'utf8')))),
  )
}

export async function writeRow(folder: string, row: Row): Promise<void> {
  const path = join(folder, fileOf(row))
  await writeFile(`${path}.tmp`, `${JSON.stringify(v.parse(RowSchema, row), undefined, 2)}\n`)
  await rename(`${path}.tmp`, path)
}
