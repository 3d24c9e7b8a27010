/**
 * Every benchmark, one after the other, each in a process of its own:
 *   npm run bench [-- --quick] [-- --only kernels,he,engines,zoo,interface]
 */
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { parseArgs } from 'node:util'

const { values } = parseArgs({ options: { only: { type: 'string' }, quick: { type: 'boolean', default: false } } })

const BENCHES: Readonly<Record<string, { file: string; quick: readonly string[] }>> = {
  kernels: { file: 'kernels.ts', quick: [] },
  he: { file: 'he.ts', quick: ['--runs', '5'] },
  engines: { file: 'engine.ts', quick: ['--networks', 'resnet-8-20', '--seconds', '2'] },
  zoo: { file: 'zoo.ts', quick: ['1000'] },
  interface: { file: '../e2e/interface-bench.ts', quick: ['1000', '5'] },
}

const chosen = values.only?.split(',') ?? Object.keys(BENCHES)
const unknown = chosen.find((name) => !Object.hasOwn(BENCHES, name))
if (unknown === undefined) {
  for (const name of chosen) {
    const { file, quick } = BENCHES[name]
    console.log(`\n${name}`)
    const args = [join(import.meta.dirname, file), ...(values.quick ? quick : [])]
    if (spawnSync(process.execPath, args, { stdio: 'inherit' }).status !== 0) process.exitCode = 1
  }
} else {
  console.error(`--only ${unknown}: choose of ${Object.keys(BENCHES).join(', ')}`)
  process.exitCode = 2
}
