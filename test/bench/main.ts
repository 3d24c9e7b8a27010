/**
 * Every benchmark, one after the other, each in a process of its own:
 *   npm run bench [-- --quick] [-- --only kernels,he,e2e,engines,zoo,interface]
 *   npm run -s bench -- [--quick] [--only kernels,he,e2e] --json [--save]
 * As JSON: one array of the rows of row.ts, of those benches that have rows. --save keeps them in saved/ as this
 * release's, for later ones to be compared with.
 */
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import * as v from 'valibot'
import { RowSchema, save, withPrevious, type Row } from './row.ts'

const { values } = parseArgs({
  options: {
    only: { type: 'string' },
    quick: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
    save: { type: 'boolean', default: false },
  },
})

interface Bench {
  readonly file: string
  readonly quick: readonly string[]
  /** It prints rows with --json. */
  readonly rows?: boolean
}

const BENCHES: Readonly<Record<string, Bench>> = {
  kernels: { file: 'kernels.ts', quick: ['--quick'], rows: true },
  he: { file: 'he.ts', quick: ['--runs', '5', '--primes', '60,60,60'], rows: true },
  e2e: { file: 'e2e.ts', quick: ['--quick'], rows: true },
  engines: { file: 'engine.ts', quick: ['--networks', 'resnet-8-20', '--seconds', '2'] },
  zoo: { file: 'zoo.ts', quick: ['1000'] },
  interface: { file: '../e2e/interface-bench.ts', quick: ['1000', '5'] },
}

const able = Object.keys(BENCHES).filter((name) => !values.json || BENCHES[name].rows === true)
const chosen = values.only?.split(',') ?? able
const unknown = chosen.find((name) => !able.includes(name))
if (unknown !== undefined) {
  console.error(`--only ${unknown}: choose of ${able.join(', ')}`)
  process.exitCode = 2
} else if (values.json) printJson()
else for (const name of chosen) show(name)

function show(name: string): void {
  console.log(`\n${name}`)
  if (spawnSync(process.execPath, commandOf(name), { stdio: 'inherit' }).status !== 0) process.exitCode = 1
}

function printJson(): void {
  const found: Row[] = []
  for (const name of chosen) {
    const { status, stdout } = spawnSync(process.execPath, [...commandOf(name), '--json'], {
      stdio: ['ignore', 'pipe', 'inherit'],
      encoding: 'utf8',
      maxBuffer: 2 ** 26,
    })
    if (status === 0) found.push(...v.parse(v.array(RowSchema), JSON.parse(stdout)))
    else process.exitCode = 1
  }
  const rows = withPrevious(found)
  if (values.save) console.error(`saved as ${save(found)}`)
  console.log(JSON.stringify(rows, undefined, 2))
}

function commandOf(name: string): string[] {
  const { file, quick } = BENCHES[name]
  return [join(import.meta.dirname, file), ...(values.quick ? quick : [])]
}
