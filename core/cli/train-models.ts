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
import { cp, mkdir, readFile, rename, rm, stat } from 'node:fs/promises'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import * as v from 'valibot'
import { readModel, writeModel } from '../formats/model-directory.ts'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const MODELS = join(ROOT, 'resources', 'models')
const id = v.pipe(v.string(), v.regex(/^[a-z0-9-]+$/))
const whole = v.pipe(v.number(), v.integer(), v.minValue(1))
/** Smaller files are not worth it. */
const HALVED_BYTES = 4e6

const base = {
  id,
  dataset: v.string(),
  /** False for a model that only others are made of. */
  bundled: v.optional(v.boolean(), true),
}
const SourceSchema = v.union([
  v.strictObject({ ...base, arch: v.string(), epochs: whole, batch: whole, rate: v.number(), seed: whole }),
  v.strictObject({ ...base, from: id, recipe: v.string(), budget: v.exactOptional(whole) }),
])
type Source = v.InferOutput<typeof SourceSchema>

/** Runs a command of ours, whose progress is shown, and gives what it prints. Throws when it fails. */
async function adyton(...args: string[]): Promise<string> {
  const command = [join(ROOT, 'core', 'cli', 'main.ts'), ...args]
  const child = spawn(process.execPath, command, { stdio: ['inherit', 'pipe', 'inherit'] })
  const chunks: Buffer[] = []
  child.stdout.on('data', (chunk: Buffer) => chunks.push(chunk))
  const stop = (): boolean => child.kill('SIGINT')
  process.once('SIGINT', stop)
  const code = await new Promise<number | null>((resolve, reject) => child.on('error', reject).on('close', resolve))
  process.off('SIGINT', stop)
  if (code !== 0) throw new Error(`adyton ${args[0]} ended with ${code ?? 'a signal'}; run this again to go on`)
  return Buffer.concat(chunks).toString()
}

async function make(source: Source, sources: readonly Source[], datasets: string, work: string): Promise<void> {
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
    const budget = source.budget === undefined ? [] : ['--budget', String(source.budget)]
    const { from } = source
    const model = sources.find(({ id }) => id === from)?.bundled === false ? join(work, from) : from
    await adyton('linearize', '--model', model, '--recipe', recipe, ...budget, ...common)
  }
  if (!source.bundled) return
  // A folder beside it first, so that a kill leaves the old model or the new one.
  const fresh = join(work, `${source.id}.new`)
  await rm(fresh, { recursive: true, force: true })
  await cp(out, fresh, { recursive: true, filter: (path) => path !== join(out, 'job') })
  await halve(fresh, join(datasets, source.dataset))
  await rm(join(MODELS, source.id), { recursive: true, force: true })
  await rename(fresh, join(MODELS, source.id))
}

/** Stores the weights of a large model as float16 if that changes no answer's rightness on the test images. */
async function halve(folder: string, dataset: string): Promise<void> {
  const weights = join(folder, 'weights.safetensors')
  if ((await stat(weights)).size < HALVED_BYTES) return
  const model = await readModel(folder)
  const full = `${weights}.full`
  await rename(weights, full)
  await writeModel(folder, model, { half: true })
  const { accuracy } = JSON.parse(await adyton('evaluate', '--model', folder, '--dataset', dataset, '--json')) as {
    accuracy: number
  }
  if (accuracy === model.card.accuracy?.top1) await rm(full)
  else {
    console.error(`float16 gives ${accuracy} instead of ${model.card.accuracy?.top1}: the weights stay float32`)
    await rename(full, weights)
  }
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
  for (const source of sources) if (only?.includes(source.id) ?? true) await make(source, sources, datasets, work)
}

main().catch((error: unknown) => {
  console.error(error instanceof Error ? error.message : error)
  process.exitCode = 1
})
