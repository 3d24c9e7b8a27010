/**
 * Speed of a catalog with many models, and the memory of the process; run by hand:
 *   npx node test/bench/zoo.ts [models]
 * Each figure is the median of several runs. Limits are those of the product: 50 ms a list, 300 ms to open, 200 MB.
 */
import { spawnSync } from 'node:child_process'
import { listModels, type ListOptions } from '../../core/zoo/list.ts'
import { openZoo } from '../../core/zoo/zoo.ts'
import { insertVersion } from '../../core/zoo/insert.ts'
import { CARD, temporaryFolder } from '../fixtures/zoo.ts'

const MODELS = Number(process.argv[2] ?? 10_000)
const RUNS = 9

async function median(run: () => unknown): Promise<number> {
  const times: number[] = []
  for (let i = 0; i < RUNS; i++) {
    const start = performance.now()
    await run()
    times.push(performance.now() - start)
  }
  return times.sort((a, b) => a - b)[RUNS >> 1]
}

async function fill(dir: string): Promise<void> {
  const datasets = ['CIFAR-10', 'CIFAR-100', 'MNIST', 'Tiny ImageNet']
  const zoo = await openZoo(dir)
  zoo.write(() => {
    const tag = zoo.db.prepare('INSERT INTO tags (model, tag) SELECT key, ? FROM models WHERE id = ?')
    for (let i = 0; i < MODELS; i++) {
      const noise = (i * 7919) % 10_007
      const description = `Network ${i} of the sweep ${i % 100}, ${['residual', 'wide', 'plain'][i % 3]} blocks, word${noise}`
      const { id } = insertVersion(zoo, {
        stage: i % 9 === 0 ? 'published' : 'draft',
        card: {
          ...CARD,
          name: `model ${noise}`,
          description,
          dataset: datasets[i % 4],
          accuracy: { top1: 0.5 + noise / 20_014, images: 10_000 },
        },
        counts: { relus: 10 * noise, macs: 1000 * noise, params: 100 * noise },
        files: new Map(),
        source: 'bench',
        at: i,
      })
      if (i % 5 === 0) tag.run('demo', id)
    }
  })
  zoo.close()
}

// Filled by another process, so that this one's memory is that of looking at a catalog.
if (process.argv[3] !== undefined) {
  await fill(process.argv[3])
  process.exit()
}
await using folder = await temporaryFolder()
spawnSync(process.execPath, [import.meta.filename, String(MODELS), folder.dir], { stdio: 'inherit' })
const before = process.memoryUsage.rss()
const started = performance.now()
const zoo = await openZoo(folder.dir)
console.log(`${MODELS} models; opened in ${(performance.now() - started).toFixed(1)} ms`)

const lists: Record<string, ListOptions> = {
  'list by name': {},
  'list by ReLUs': { sort: 'relus' },
  'list by accuracy, last page': { sort: 'acc', descending: true, offset: MODELS - 100 },
  'search a rare word': { query: 'word4711' },
  'search a common beginning': { query: 'resid' },
  'search a common phrase': { query: '"residual blocks"', sort: 'acc' },
  'filter by a count': { query: 'relus<50k' },
  'filter by everything': { query: 'dataset:cifar10 relus<50k acc>60 -tag:demo stage:draft sweep', sort: 'relus' },
  'filter by part of a name': { query: 'name:71' },
}
for (const [what, options] of Object.entries(lists)) {
  const { total } = listModels(zoo, options)
  const ms = await median(() => listModels(zoo, options))
  console.log(`${what.padEnd(32)} ${ms.toFixed(1).padStart(7)} ms  ${String(total).padStart(6)} models`)
}
const { next } = listModels(zoo, { sort: 'name' })
const page = await median(() => listModels(zoo, { sort: 'name', after: next as string }))
console.log(`${'second page by place'.padEnd(32)} ${page.toFixed(1).padStart(7)} ms`)
zoo.close()
const opening = await median(async () => {
  const again = await openZoo(folder.dir)
  listModels(again)
  again.close()
})
console.log(`${'open, list, close'.padEnd(32)} ${opening.toFixed(1).padStart(7)} ms`)
const mib = (bytes: number): string => `${(bytes / 2 ** 20).toFixed(0)} MiB`
console.log(`memory ${mib(process.memoryUsage.rss())}, ${mib(before)} of it before the catalog was opened`)
