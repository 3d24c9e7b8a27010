/** Recipes and sweeps on small networks: each step's effect, resumption between and within steps, a private run. */
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { resnet } from '../../core/architectures/resnet.ts'
import { generatedDataset } from '../../core/datasets/generated.ts'
import { loadKernels } from '../../core/kernels/index.ts'
import { layerStatistics, type Network } from '../../core/linearize/masks.ts'
import { recipeData, runRecipe, type RecipeContext, type RecipeData } from '../../core/linearize/recipe/run.ts'
import { parseRecipe, type Recipe } from '../../core/linearize/recipe/schema.ts'
import { parseSweep, runSweep } from '../../core/linearize/sweep.ts'
import { countNetwork } from '../../core/network/counts.ts'
import { quantiseInput } from '../../core/network/fixed.ts'
import { floatRunner } from '../../core/network/float.ts'
import type { Graph } from '../../core/network/graph.ts'
import { checkTensors } from '../../core/network/tensors.ts'
import { simulate } from '../../core/protocol/simulator.ts'
import type { Engine } from '../../core/training/engine/index.ts'
import { failing } from '../fixtures/errors.ts'
import { cpuEngine, solvedToy, storageIn, TOY, toyBatches } from '../fixtures/linearize-toy.ts'
import { lowered, startParties } from '../fixtures/parties.ts'

let engine: Engine
beforeAll(async () => {
  engine = await cpuEngine()
})
afterAll(() => engine.dispose())

const folders: string[] = []
const folder = (): string => {
  const made = mkdtempSync(join(tmpdir(), 'adyton-recipe-'))
  folders.push(made)
  return made
}
afterAll(() => folders.forEach((made) => rmSync(made, { recursive: true, force: true })))

const TOY_DATA: RecipeData = {
  name: 'toy',
  train: (seed, { size }) => toyBatches(seed, 10, size),
  test: toyBatches('test', 4, 64),
}
const recipe = (...steps: unknown[]): Recipe =>
  parseRecipe({ version: 1, name: 'test', seed: 3, batches: { size: 32 }, steps })
const onToy = (more: Partial<RecipeContext> = {}): RecipeContext => ({ engine, data: TOY_DATA, start: TOY, ...more })

const TRAIN = {
  step: 'train',
  epochs: 6,
  optimiser: { kind: 'adam' },
  schedule: { kind: 'constant', rate: 0.02 },
}
const SNL = {
  step: 'snl',
  budget: 4,
  lambda: 0.002,
  final: 'largest',
  sparsify: { epochs: 8, optimiser: { kind: 'adam', slopeRate: 10 }, schedule: { kind: 'constant', rate: 0.003 } },
  finetune: { epochs: 1 },
}
const bits = ({ graph, tensors }: Network): unknown => [
  graph,
  [...tensors].map(([name, { data }]) => [name, Buffer.from(data.buffer).toString('hex')]),
]

describe('a recipe', () => {
  const chain = recipe(TRAIN, { step: 'teacher' }, SNL, { step: 'finetune', epochs: 2 })

  test('chains its steps from an architecture to a model', async () => {
    const result = await runRecipe(chain, onToy())
    expect(result.history.map((row) => [row.step, row.relus])).toEqual([
      ['train', 32],
      ['teacher', 32],
      ['snl', 4],
      ['finetune', 4],
    ])
    expect(result.relus).toBe(4)
    expect(result.recipe).toBe(chain)
    const [train, , snl] = result.history
    expect(train.epochs.map((row) => row.epoch)).toEqual([0, 1, 2, 3, 4, 5])
    expect(train.accuracy).toBeGreaterThan(0.6)
    expect(new Set(snl.epochs.map((row) => row.phase))).toEqual(new Set(['sparsify', 'finetune']))
    expect(new Set(result.history.map((row) => row.params))).toEqual(new Set([countNetwork(TOY).params]))
    const { graph, tensors } = result.network as Network
    checkTensors(graph, tensors)
  })

  test.each([
    ['between two steps', 'train', 5],
    ['within a step', 'sparsify', 1],
  ])('stopped %s it goes on to the same bits, without what is done', async (_name, phase, epoch) => {
    const whole = await runRecipe(chain, onToy())
    const place = folder()
    const stop = new AbortController()
    const stopping = onToy({
      storage: storageIn(place, true),
      signal: stop.signal,
      onEpoch: (report) => {
        if (report.phase === phase && report.epoch === epoch) stop.abort()
      },
    })
    await expect(runRecipe(chain, stopping)).rejects.toMatchObject({ code: 'cancelled' })
    const seen: string[] = []
    const again = onToy({
      storage: storageIn(place, true),
      onEpoch: (report) => void seen.push(`${report.phase} ${report.epoch}`),
    })
    const resumed = await runRecipe(chain, again)
    expect(seen[0]).toBe(phase === 'train' ? 'sparsify 0' : 'sparsify 2')
    expect(bits(resumed.network as Network)).toEqual(bits(whole.network as Network))
    const stripped = (history: typeof whole.history): unknown => history.map(({ seconds: _, ...row }) => row)
    expect(stripped(resumed.history)).toEqual(stripped(whole.history))
    // Checkpoints of finished steps are gone.
    expect(readdirSync(place)).toEqual(['recipe.safetensors'])
  })

  test('finished, it is read back; grown, it goes on; changed, it is refused', async () => {
    const place = folder()
    const short = recipe({ step: 'thin', first: 'drop' }, { step: 'train', epochs: 1 })
    const first = await runRecipe(short, onToy({ storage: storageIn(place, true) }))
    let trained = 0
    const again = onToy({ storage: storageIn(place, true), onEpoch: () => void trained++ })
    expect(bits((await runRecipe(short, again)).network as Network)).toEqual(bits(first.network as Network))
    expect(trained).toBe(0)
    const longer = parseRecipe({ ...short, steps: [...short.steps, { step: 'train', epochs: 2 }] })
    await runRecipe(longer, again)
    expect(trained).toBe(2)
    const refused = { code: 'checkpoint-mismatch' }
    await expect(runRecipe({ ...longer, seed: 4 }, again)).rejects.toMatchObject(refused)
    await expect(runRecipe(longer, { ...again, start: solvedToy() })).rejects.toMatchObject(refused)
    await expect(runRecipe(short, again)).rejects.toMatchObject(refused)
  })

  test('criticality, culling of the least critical stage', async () => {
    const graph: Graph = resnet({ name: 'two', classes: 2, inputShape: [1, 4, 4], channels: [2, 3], blocks: [1, 1] })
    const steps = [
      { step: 'criticality', epochs: 1 },
      { step: 'cull', stage: 'least-critical' },
    ]
    const result = await runRecipe(recipe(...steps), onToy({ start: graph }))
    const [measured, culled] = result.history
    expect(measured.relus).toBe(countNetwork(graph).relus)
    const rows = measured.criticality ?? []
    expect(rows.map((row) => row.relus)).toEqual([96, 24])
    const least = rows.find((row) => row.criticality === 0)
    expect(culled.relus).toBe(120 - (least?.relus ?? 0))
    expect(result.network).toBeUndefined()
  })

  test('every rewriting step, one after the other', async () => {
    const graph = resnet({ name: 'two', classes: 2, inputShape: [1, 4, 4], channels: [4, 8], blocks: [1, 1] })
    const steps = [
      { step: 'thin' },
      { step: 'scale-channels', factor: 0.5 },
      { step: 'scale-feature-maps', divisor: 2 },
      { step: 'train', epochs: 1 },
      { step: 'prune-filters', budget: { share: 0.5 }, residual: 'coupled' },
      { step: 'random-masks', budget: 5 },
      { step: 'drop-layers', budget: 3 },
    ]
    const { history, network } = await runRecipe(recipe(...steps), onToy({ start: graph }))
    // 3 x 64 + 2 x 32 ReLUs; thinning keeps the stem, the first block's second and the second block's second layer.
    expect(history.slice(0, 3).map((row) => row.relus)).toEqual([64 + 64 + 32, 80, 20])
    expect(history[4].relus).toBeLessThanOrEqual(16)
    expect(history[4].params).toBeLessThan(history[3].params)
    expect(history[5].relus).toBe(5)
    expect(history[6].relus).toBeLessThanOrEqual(3)
    // An accuracy wherever there are weights.
    expect(history.map((row) => row.accuracy !== undefined)).toEqual([false, false, false, true, true, true, true])
    checkTensors((network as Network).graph, (network as Network).tensors)
  })

  test('an error within a step names the budget', async () => {
    const tooMuch = recipe({ step: 'random-masks', budget: 33 })
    await expect(runRecipe(tooMuch, onToy())).rejects.toThrow(failing('usage', /33 ReLUs/))
  })
})

describe('a sweep', () => {
  const sweep = parseSweep({
    version: 1,
    name: 'toy',
    budgets: [16, 4],
    seeds: [1, 2],
    prepare: recipe({ ...TRAIN, epochs: 2 }),
    recipe: recipe({ step: 'random-masks', budget: 'sweep' }, { step: 'finetune', epochs: 1 }),
  })

  test('has a row for each seed and budget, and goes on where it was stopped', async () => {
    const place = folder()
    const stop = new AbortController()
    const started: unknown[] = []
    const { signal } = stop
    const base = { engine, data: TOY_DATA, start: TOY }
    const stopping = {
      ...base,
      signal,
      storage: storageIn(place, true),
      onPoint: () => {
        if (started.push(1) === 3) stop.abort()
      },
    }
    await expect(runSweep(sweep, stopping)).rejects.toMatchObject({ code: 'cancelled' })
    const epochs: string[] = []
    const rows = await runSweep(sweep, {
      ...base,
      storage: storageIn(place, true),
      onEpoch: ({ phase }) => void epochs.push(phase),
    })
    expect(rows.map(({ seed, budget, relus }) => [seed, budget, relus])).toEqual([
      [1, 16, 16],
      [1, 4, 4],
      [2, 16, 16],
      [2, 4, 4],
    ])
    // Only the last point was left to do.
    expect(epochs).toEqual(['finetune'])
    const whole = await runSweep(sweep, { ...base, storage: storageIn(folder(), true) })
    expect(rows).toEqual(whole)
    expect(rows[0].accuracy).not.toBe(rows[2].accuracy)
  })
})

describe('on pictures', () => {
  test('a residual network is thinned, brought to a budget by SNL, and runs privately as the simulator says', async () => {
    const dataset = await generatedDataset({ train: 40, test: 20, side: 8, channels: 1 })
    const graph = resnet({
      name: 'tiny',
      classes: dataset.classes,
      inputShape: [1, 8, 8],
      channels: [2, 4],
      blocks: [1, 1],
    })
    const steps = [
      { ...TRAIN, epochs: 1 },
      { step: 'thin' },
      { ...SNL, budget: 60, sparsify: { ...SNL.sparsify, epochs: 1 } },
    ]
    const context: RecipeContext = { engine, data: recipeData(dataset, { depth: 0 }), start: graph }
    const result = await runRecipe(recipe(...steps), context)
    expect(result.relus).toBe(60)
    const { graph: made, tensors } = result.network as Network
    const kept = layerStatistics(made, result.masks).map((row) => row.kept)
    expect(kept[1] + kept[3]).toBe(0)

    const model = lowered(made, tensors)
    const kernels = loadKernels()
    const parties = await startParties(model, { kernels })
    try {
      const image = Float32Array.from({ length: 64 }, (_, i) => Math.sin(i))
      const input = quantiseInput(model.plan, image)
      const { id, seed } = await parties.client.prepare()
      const { logits } = await parties.client.infer(id, input)
      const serving = parties.served.find((served) => served.packageId === id && served.seed !== undefined)
      const simulated = simulate(kernels, model, input, seed as Uint8Array, serving?.seed as Uint8Array)
      expect([...(logits as Float64Array)]).toEqual([...simulated.logits])
      const last = model.plan.steps.at(-1)
      const { scale, divisor } = model.plan.values[last?.op === 'reveal' ? last.input : 0]
      const clear = floatRunner(made, tensors)(image).logits
      const spread = Math.max(...clear) - Math.min(...clear)
      clear.forEach((value, k) => {
        const privately = Number((logits as Float64Array)[k]) / 2 ** scale / divisor
        expect(Math.abs(privately - value)).toBeLessThan(0.02 * Math.max(1, spread))
      })
    } finally {
      await parties.close()
    }
  })
})
