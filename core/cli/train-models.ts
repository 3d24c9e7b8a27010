/**
 * Makes the bundled models again, as resources/models/sources.json says: each is trained from fresh weights or
 * linearised from another by a recipe, with the commands that anyone uses. (The digits model itself is made by
 * `npm run train:digits`.)
 *
 *   npm run train:models -- --datasets DIR [--work DIR] [--only ID[,ID]]
 *
 * Stopped, it goes on when run again with the same work folder. A finished model replaces the bundled one.
 */
import { spawn } from 'node:child_process'
import { cp, mkdir, readFile, rename, rm } from 'node:fs/promises'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import * as v from 'valibot'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const MODELS = join(ROOT, 'resources', 'models')
const id = v.pipe(v.string(), v.regex(/^[a-z0-9-]+$/))
const whole = v.pipe(v.number(), v.integer(), v.minValue(1))

const SourceSchema = v.union([
  v.strictObject({
    id,
    dataset: v.string(),
    arch: v.string(),
    epochs: whole,
    batch: whole,
    rate: v.number(),
    seed: whole,
  }),
  v.strictObject({ id, dataset: v.string(), from: id, recipe: v.string(), budget: whole }),
])
type Source = v.InferOutput<typeof SourceSchema>

/** Runs a command of ours; its progress is shown. Throws when it fails. */
async function adyton(...args: string[]): Promise<void> {
  const child = spawn(process.execPath, [join(ROOT, 'core', 'cli', 'main.ts'), ...args], { stdio: 'inherit' })
  const stop = (): boolean => child.kill('SIGINT')
  process.once('SIGINT', stop)
  const code = await new Promise<number | null>((resolve, reject) => child.on('error', reject).on('exit', resolve))
  process.off('SIGINT', stop)
  if (code !== 0) throw new Error(`adyton ${args[0]} ended with ${code ?? 'a signal'}; run this again to go on`)
}

async function make(source: Source, datasets: string, work: string): Promise<void> {
  const out = join(work, source.id)
  const common = ['--dataset', join(datasets, source.dataset), '--out', out, '--name', source.id]
  if ('arch' in source) {
    const { arch, epochs, batch, rate, seed } = source
    const settings = { arch, epochs, batch, rate, seed }
    await adyton(
      'train',
      ...Object.entries(settings).flatMap(([name, value]) => [`--${name}`, String(value)]),
      ...common,
    )
  } else {
    const recipe = join(ROOT, 'resources', 'recipes', source.recipe)
    const budget = String(source.budget)
    await adyton('linearize', '--model', source.from, '--recipe', recipe, '--budget', budget, ...common)
  }
  // A folder beside it first, so that a kill leaves the old model or the new one.
  const fresh = join(work, `${source.id}.new`)
  await rm(fresh, { recursive: true, force: true })
  await cp(out, fresh, { recursive: true, filter: (path) => path !== join(out, 'job') })
  await rm(join(MODELS, source.id), { recursive: true, force: true })
  await rename(fresh, join(MODELS, source.id))
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: { datasets: { type: 'string' }, work: { type: 'string' }, only: { type: 'string' } },
  })
  const datasets = values.datasets
  if (datasets === undefined || !existsSync(datasets)) {
    throw new Error(
      'train:models needs --datasets DIR, a folder with the data sets that resources/models/sources.json names',
    )
  }
  const work = values.work ?? join(ROOT, 'build', 'models')
  await mkdir(work, { recursive: true })
  const sources = v.parse(v.array(SourceSchema), JSON.parse(await readFile(join(MODELS, 'sources.json'), 'utf8')))
  const only = values.only?.split(',')
  const unknown = only?.filter((name) => !sources.some((source) => source.id === name)) ?? []
  if (unknown.length > 0) {
    throw new Error(`no model '${unknown[0]}'; there are ${sources.map((source) => source.id).join(', ')}`)
  }
  for (const source of sources) if (only?.includes(source.id) ?? true) await make(source, datasets, work)
}

main().catch((error: unknown) => {
  console.error(error instanceof Error ? error.message : error)
  process.exitCode = 1
})
