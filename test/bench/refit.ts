/**
 * Writes the costs that estimates use where nobody has calibrated, from this machine, which should do nothing else:
 *   node test/bench/refit.ts [--runs 3]
 * Of several calibrations the least of each figure is taken, but HE's of one set of primes together: two of them are
 * differences, whose least would be what was disturbed most. What whole inferences take is fitted, and so the median.
 */
import { spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import type { Costs, HeCosts } from '../../core/api/calibration/costs.ts'
import { measureCosts } from '../../core/api/calibration/measure.ts'
import { machineName } from '../../core/api/recording.ts'
import { loadKernels } from '../../core/kernels/index.ts'
import { median } from './row.ts'

const FILE = fileURLToPath(new URL('../../core/api/calibration/defaults.ts', import.meta.url))
const SPEND_MS = 300

const { values } = parseArgs({ options: { runs: { type: 'string', default: '3' } } })

/** Of each set of primes, the calibration whose answers with their products were the quickest. */
function quickestHe(all: readonly Costs[]): Costs['he'] {
  const cost = ({ weights, product, answer }: HeCosts): number => 8 * (weights + product) + answer
  const names = Object.keys(all[0].he)
  return Object.fromEntries(
    names.map((name) => {
      const found = all.map(({ he }) => he[name]).filter(({ weights }) => weights > 0)
      if (found.length === 0) throw new Error(`no calibration could tell the weights of ${name} from the products`)
      const best = found.toSorted((a, b) => cost(a) - cost(b))[0]
      return [name, Object.fromEntries(Object.entries(best).map(([k, ms]) => [k, short(ms)])) as unknown as HeCosts]
    }),
  )
}

const short = (figure: number): number => Number(figure.toPrecision(3))

type Figures = { readonly [name: string]: number | Figures }

function each(all: readonly Figures[], of: (figures: readonly number[]) => number): Figures {
  const merge = (name: string): number | Figures => {
    const found = all.map((figures) => figures[name])
    if (found.every((one) => typeof one === 'number')) return short(of(found))
    return each(found as Figures[], of)
  }
  return Object.fromEntries(Object.keys(all[0]).map((name) => [name, merge(name)]))
}

// Not those in TypeScript, which stand in where the native ones are not built.
const kernels = loadKernels({ force: 'native' }).name

const least = (figures: readonly number[]): number => Math.min(...figures)

const measured: Costs[] = []
for (let run = 1; run <= Number(values.runs); run++) {
  measured.push(await measureCosts({ spendMs: SPEND_MS }, (text) => console.log(`run ${run}: ${text}`)))
}
const costs: Costs = {
  ...(each(measured, least) as Costs),
  he: quickestHe(measured),
  whole: each(
    measured.map(({ whole }) => whole),
    median,
  ) as Costs['whole'],
}
const text = `/** Written by test/bench/refit.ts: of ${values.runs} calibrations. */
import type { Costs } from './costs.ts'

/** ${machineName()}; kernels: ${kernels}; ${new Date().toISOString().slice(0, 10)}. */
export const DEFAULT_COSTS: Costs = ${JSON.stringify(costs, undefined, 2)}
`
writeFileSync(FILE, text)
const prettier = fileURLToPath(new URL('../../node_modules/prettier/bin/prettier.cjs', import.meta.url))
process.exitCode = spawnSync(process.execPath, [prettier, '--write', FILE], { stdio: 'inherit' }).status ?? 1
