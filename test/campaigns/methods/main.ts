/**
 * SNL against its baselines at equal ReLU budgets and equal training effort, over seeds; writes rows and the tables of
 * docs/results.md.
 *
 *   npm run results:cifar10 -- [--dataset DIR] [--arch NAME] [--budgets 0.5,0.2222] [--seeds 1,2,3] [--work DIR]
 *                              [--base-epochs 10] [--sparsify 2] [--finetune 3] [--rows DIR] [--report FILE] [--render-only]
 *
 * Rows that are there are not measured again, and a stopped job goes on: run it again until it says that all is done.
 * Two of it may run beside each other on different seeds.
 */
import { spawn } from 'node:child_process'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { layersToDrop, METHODS, recipeOf, type Layer } from './plan.ts'
import { render } from './render.ts'
import { readRows, writeRow } from './rows.ts'

const ROOT = fileURLToPath(new URL('../../..', import.meta.url))

const { values } = parseArgs({
  options: {
    dataset: { type: 'string', default: join(ROOT, '..', 'shared', 'datasets', 'cifar-10-batches-bin') },
    arch: { type: 'string', default: 'resnet8-w10' },
    /** Shares of the network's ReLUs. The defaults are ones that whole layers add up to. */
    budgets: { type: 'string', default: '0.5,0.22222' },
    seeds: { type: 'string', default: '1,2,3' },
    'base-epochs': { type: 'string', default: '10' },
    sparsify: { type: 'string', default: '2' },
    finetune: { type: 'string', default: '3' },
    work: { type: 'string', default: join(ROOT, 'build', 'results') },
    rows: { type: 'string', default: join(ROOT, 'docs', 'results', 'cifar10-methods') },
    /** Document whose tables are written. */
    report: { type: 'string', default: join(ROOT, 'docs', 'results.md') },
    'render-only': { type: 'boolean', default: false },
  },
})

interface Outcome {
  readonly relus: { readonly after: number }
  readonly accuracy: { readonly after: number }
  readonly layers: { readonly layers: readonly { id: string; total: number; kept: number }[] }
  readonly engine: string
}

/** Runs a command of ours and gives what it prints; progress goes to standard error. */
async function adyton<T>(...args: string[]): Promise<T> {
  const command = [join(ROOT, 'core', 'cli', 'main.ts'), ...args, '--json']
  const child = spawn(process.execPath, command, { stdio: ['ignore', 'pipe', 'inherit'] })
  const chunks: Buffer[] = []
  child.stdout.on('data', (chunk: Buffer) => chunks.push(chunk))
  const code = await new Promise<number | null>((resolve, reject) => child.on('error', reject).on('close', resolve))
  if (code !== 0) throw new Error(`adyton ${args[0]} ended with ${code ?? 'a signal'}; run this again to go on`)
  return JSON.parse(Buffer.concat(chunks).toString()) as T
}

async function renderResults(): Promise<void> {
  const rows = await readRows(values.rows)
  await writeFile(values.report, render(await readFile(values.report, 'utf8'), rows))
}

async function main(): Promise<void> {
  const network = values.arch
  const effort = { sparsify: Number(values.sparsify), finetune: Number(values.finetune) }
  const { dataset, work } = values
  await mkdir(work, { recursive: true })
  const seeds = values.seeds.split(',').map(Number)
  const shares = values.budgets.split(',').map(Number)
  const total = seeds.length * (1 + shares.length * METHODS.length)
  const started = performance.now()
  let measured = 0
  let seen = 0
  const has = async (seed: number, method: string, budget: number): Promise<boolean> =>
    (await readRows(values.rows)).some(
      (row) => row.network === network && row.seed === seed && row.method === method && row.budget === budget,
    )
  const report = (what: string): void => {
    measured++
    const left = ((total - seen) * (performance.now() - started)) / measured / 60_000
    console.error(`${seen} of ${total}: ${what}; at most ${left.toFixed(0)} min left`)
  }
  for (const seed of seeds) {
    const base = join(work, `${network}-seed${seed}`)
    const name = ['--name', `${network}, seed ${seed}`]
    const settings = ['--epochs', values['base-epochs'], '--seed', String(seed), ...name]
    const full = await adyton<{ accuracy: number; images: number; relus: number; engine: string }>(
      ...['train', '--arch', network, '--dataset', dataset, '--out', base, ...settings],
    )
    const layers = await reluLayersOf(base)
    const images = full.images
    seen++
    if (!(await has(seed, 'full', full.relus))) {
      const epochs = { sparsify: 0, train: Number(values['base-epochs']) }
      const kept = layers.map((layer) => ({ ...layer, kept: layer.total }))
      const row = { network, seed, method: 'full' as const, budget: full.relus, relus: full.relus, images, epochs }
      await writeRow(values.rows, { ...row, top1: full.accuracy, layers: kept, engine: full.engine })
      report(`seed ${seed}, full: ${(100 * full.accuracy).toFixed(2)}%`)
    }
    for (const share of shares) {
      const budget = Math.round(share * full.relus)
      if (layersToDrop(layers, budget) === undefined) {
        throw new Error(`whole layers of ${network} do not add up to ${budget} ReLUs; choose another budget`)
      }
      for (const method of METHODS) {
        seen++
        if (await has(seed, method, budget)) continue
        const out = join(work, `${network}-seed${seed}-${budget}-${method}`)
        const recipe = `${out}.json`
        await writeFile(recipe, JSON.stringify(recipeOf(method, { layers, budget, seed, effort })))
        const args = ['--model', base, '--dataset', dataset, '--recipe', recipe, '--out', out]
        const { relus, accuracy, layers: after, engine } = await adyton<Outcome>('linearize', ...args)
        const epochs = method.startsWith('snl')
          ? { sparsify: effort.sparsify, train: effort.finetune }
          : { sparsify: 0, train: effort.sparsify + effort.finetune }
        const kept = after.layers.map((layer) => ({ id: layer.id, total: layer.total, kept: layer.kept }))
        const row = { network, seed, method, budget, relus: relus.after, top1: accuracy.after, images, epochs }
        await writeRow(values.rows, { ...row, layers: kept, engine })
        await renderResults()
        report(`seed ${seed}, ${method} to ${budget}: ${(100 * accuracy.after).toFixed(2)}%`)
      }
    }
  }
  console.error('all rows are measured')
}

/** The ReLU layers of a model folder's graph. */
async function reluLayersOf(model: string): Promise<Layer[]> {
  const { layers } = await adyton<{ layers: { id: string; op: string; relus: number }[] }>('describe', '--model', model)
  return layers.filter(({ op }) => op === 'relu').map(({ id, relus }) => ({ id, total: relus }))
}

if (!values['render-only']) await main()
await renderResults()
