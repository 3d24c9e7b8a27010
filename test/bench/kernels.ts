/**
 * Speed of every implementation of the kernels that runs on this machine:
 *   node test/bench/kernels.ts [--quick] [--json] [reference|portable|armv8|avx2|vaes256|vaes512 ...]
 * Each figure is the best of several runs, one thread. As JSON, the kernels that the protocol takes against those in
 * TypeScript, and the other native ones with their name at the end of the id.
 */
import { parseArgs } from 'node:util'
import { KERNEL_MEASURES, type Measure } from '../../core/api/benchmark/measures.ts'
import { kernelRows } from '../../core/api/benchmark/rows.ts'
import type { BenchmarkRow } from '../../core/api/data/benchmarks.ts'
import { availableNative, loadKernels, referenceKernels } from '../../core/kernels/index.ts'
import { row, type Row } from './row.ts'

const { values, positionals } = parseArgs({
  options: { json: { type: 'boolean', default: false }, quick: { type: 'boolean', default: false } },
  allowPositionals: true,
})
const spendMs = values.quick ? 200 : 1000

/** What a quick run measures. */
const FEW = ['garble', 'evaluate', 'transfers', 'conv-32', 'conv-64']
const PREFIX: Readonly<Record<string, string>> = { garble: 'gc', evaluate: 'gc', transfers: 'ot' }

function toRow({ id, label, value, unit, runs, on, against }: BenchmarkRow, suffix: string): Row {
  const name = `${PREFIX[id] ?? 'ring'}.${id}${suffix}`
  return { ...row(name, `${label}${suffix === '' ? '' : `, ${on}`}`, unit, [value], against, on), runs }
}

async function jsonRows(measures: readonly Measure[]): Promise<Row[]> {
  const best = loadKernels()
  const rows = (await kernelRows(best, referenceKernels, { spendMs }, measures)).map((one) => toRow(one, ''))
  for (const name of availableNative()) {
    const kernels = loadKernels({ force: `native:${name}` })
    if (kernels.name === best.name || values.quick) continue
    const found = await kernelRows(kernels, kernels, { spendMs }, measures)
    rows.push(...found.map((one) => toRow(one, `.${name}`)))
  }
  return rows
}

if (values.json) {
  const measures = values.quick ? KERNEL_MEASURES.filter(({ id }) => FEW.includes(id)) : KERNEL_MEASURES
  console.log(JSON.stringify(await jsonRows(measures), undefined, 2))
} else {
  for (const name of ['reference', ...availableNative()] as const) {
    if (positionals.length > 0 && !positionals.includes(name)) continue
    const kernels = loadKernels({ force: name === 'reference' ? 'reference' : `native:${name}` })
    console.log(kernels.name)
    const onRow = ({ label, value, unit }: BenchmarkRow): void =>
      console.log(`  ${label.padEnd(40)} ${value.toPrecision(3).padStart(8)} ${unit}`)
    await kernelRows(kernels, kernels, { spendMs, onRow })
  }
}
