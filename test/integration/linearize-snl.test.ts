/** SNL on a problem whose useful ReLUs are known, its variants, and its resumption to the bit. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { countKept, masksOf, perElement, reluLayers, withMasks, type Network } from '../../core/linearize/masks.ts'
import { snl, type SnlOptions, type SnlResult } from '../../core/linearize/snl/snl.ts'
import { slopeNorm } from '../../core/linearize/snl/sparsify.ts'
import type { SnlSpec } from '../../core/linearize/snl/spec.ts'
import { runFloat } from '../../core/network/float.ts'
import { checkTensors } from '../../core/network/tensors.ts'
import type { Engine } from '../../core/training/engine/index.ts'
import { TrainableModel } from '../../core/training/model/model.ts'
import { imagesToTf } from '../../core/training/model/layout.ts'
import { failing } from '../fixtures/errors.ts'
import { solvedToy, storageIn, surroundings, TOY, toyBatches, USEFUL } from '../fixtures/linearize-toy.ts'

let engine: Engine
beforeAll(async () => {
  const { cpuEngine } = await import('../fixtures/linearize-toy.ts')
  engine = await cpuEngine()
})
afterAll(() => engine.dispose())

/** Steps of 0.03 take a slope that nothing holds from 1 to 0 in four epochs of ten. */
const SPEC: SnlSpec = {
  budget: 4,
  lambda: 0.002,
  sparsify: {
    epochs: 20,
    optimiser: { kind: 'adam', slopeRate: 10 },
    schedule: { kind: 'constant', rate: 0.003 },
  },
  finetune: { epochs: 2, schedule: { kind: 'constant', rate: 0.001 } },
}

const run = (spec: Partial<SnlSpec> = {}, more: Partial<SnlOptions> = {}): Promise<SnlResult> =>
  snl(surroundings(engine), { network: solvedToy(), spec: { ...SPEC, ...spec }, seed: 1, ...more })

const keptIndices = (result: SnlResult): number[] => {
  const [layer] = reluLayers(TOY)
  return [...perElement(result.masks, layer)].flatMap((value, i) => (value === 1 ? [i] : []))
}

const networkOf = (result: SnlResult): Network => {
  expect(result.network).toBeDefined()
  return result.network as Network
}

describe('SNL', () => {
  let result: SnlResult
  beforeAll(async () => {
    result = await run()
  })

  test('finds the ReLUs that the solution needs', () => {
    expect(keptIndices(result)).toEqual(USEFUL)
    expect(result.relus).toEqual({ before: 32, threshold: 4, kept: 4 })
    expect(result.reached).toBe(true)
    expect(result.accuracy).toBeGreaterThan(0.95)
  })

  test('gives binary masks, as many weights as before, and a valid model', () => {
    const network = networkOf(result)
    checkTensors(network.graph, network.tensors)
    const mask = network.tensors.get('relu.mask')
    expect(mask?.shape).toEqual([2, 4, 4])
    expect(new Set(mask?.data)).toEqual(new Set([0, 1]))
    expect(countKept(network.graph, masksOf(network))).toBe(4)
    const given = solvedToy().tensors
    const sizes = (tensors: Network['tensors']): [string, number][] =>
      [...tensors].filter(([name]) => !name.endsWith('.mask')).map(([name, tensor]) => [name, tensor.data.length])
    expect(sizes(network.tensors)).toEqual(sizes(given))
    // Fine-tuned, not merely copied.
    expect(network.tensors.get('fc.weight')?.data).not.toEqual(given.get('fc.weight')?.data)
  })

  test('reports each epoch: the count falls to the budget, and lambda grows where it does not fall', () => {
    const rows = result.history.filter((row) => row.phase === 'sparsify')
    let lowest = 32
    let lambda = 0.002
    for (const row of rows) {
      expect(row.lambda).toBe(lambda)
      expect(row.accuracy).toBeGreaterThan(0.5)
      if (row.relus >= lowest) lambda *= 1.1
      lowest = Math.min(lowest, row.relus)
    }
    expect(lambda).toBeGreaterThan(0.002)
    expect(rows.slice(0, -1).every((row) => row.relus > 4)).toBe(true)
    expect(rows.at(-1)?.relus).toBe(4)
    expect(result.history.filter((row) => row.phase === 'finetune').map((row) => row.relus)).toEqual([4, 4])
  })

  test('the stored model computes in core/network what it computes in tf.js', async () => {
    const network = networkOf(result)
    const model = TrainableModel.create(engine, network.graph, network.tensors)
    const images = Float32Array.from({ length: 3 * 16 }, (_, i) => Math.sin(2.3 * i))
    const logits = engine.tf.tidy(() => {
      const x = engine.tf.tensor(imagesToTf(images, 3, [1, 4, 4]), [3, 4, 4, 1])
      return model.forward(x).logits
    })
    const got = await logits.array()
    for (let n = 0; n < 3; n++) {
      const clear = runFloat(network.graph, network.tensors, images.slice(16 * n, 16 * n + 16)).logits
      got[n].forEach((value, k) => expect(value).toBeCloseTo(clear[k], 4))
    }
    logits.dispose()
    model.dispose()
  })

  test('leaves the given network and no tensors behind', async () => {
    const network = solvedToy()
    const before = engine.tf.memory().numTensors
    await run({ finetune: false }, { network })
    expect(engine.tf.memory().numTensors).toBe(before)
    expect(network).toEqual(solvedToy())
  })
})

describe('budgets', () => {
  test.each([1, 3, 7, 20])('the final step keeps exactly the %i largest slopes', async (budget) => {
    const result = await run({ budget, final: 'largest', finetune: false })
    expect(result.relus.kept).toBe(budget)
    const slopes = result.slopes.get('relu') as Float32Array
    const kept = keptIndices(result)
    const dropped = [...slopes.keys()].filter((i) => !kept.includes(i))
    expect(Math.min(...kept.map((i) => slopes[i]))).toBeGreaterThanOrEqual(Math.max(...dropped.map((i) => slopes[i])))
    // The useful ones first.
    if (budget >= 4) expect(kept).toEqual(expect.arrayContaining(USEFUL))
    else expect(USEFUL).toEqual(expect.arrayContaining(kept))
  })

  test('without it the count is at or under the budget', async () => {
    const result = await run({ budget: 9, finetune: false })
    expect(result.relus.kept).toBe(result.relus.threshold)
    expect(result.relus.kept).toBeLessThanOrEqual(9)
  })

  test('epochs that do not suffice are an error, or the final step meets the budget', async () => {
    const short = { ...SPEC.sparsify, epochs: 1 }
    await expect(run({ sparsify: short })).rejects.toThrow(failing('usage', /32 ReLUs are left/))
    const result = await run({ sparsify: short, final: 'largest', finetune: false })
    expect(result).toMatchObject({ reached: false, relus: { before: 32, threshold: 32, kept: 4 } })
  })

  test('a budget above the ReLUs that are left is refused', async () => {
    await expect(run({ budget: 33 })).rejects.toMatchObject({ code: 'usage' })
    const network = withMasks(solvedToy(), new Map([['relu', { granularity: 'channel', kept: Uint8Array.of(1, 0) }]]))
    await expect(run({ budget: 17 }, { network })).rejects.toMatchObject({ code: 'usage' })
  })
})

describe('variants', () => {
  test('by channel: one of the two channels goes, and |x| still comes out of the other', async () => {
    const result = await run({ granularity: 'channel', budget: 16, final: 'largest', finetune: { epochs: 10 } })
    expect(result.relus.kept).toBe(16)
    expect(networkOf(result).tensors.get('relu.mask')?.shape).toEqual([2])
    expect(result.accuracy).toBeGreaterThan(0.8)
  })

  test('what a mask has removed stays removed', async () => {
    const [layer] = reluLayers(TOY)
    const kept = new Uint8Array(layer.size).fill(1)
    kept[USEFUL[0]] = 0
    kept[5] = 0
    const network = withMasks(solvedToy(), new Map([['relu', { granularity: 'element', kept }]]))
    const result = await run({ budget: 20, final: 'largest', finetune: false }, { network })
    expect(result.relus.before).toBe(30)
    expect(result.slopes.get('relu')?.[5]).toBe(0)
    expect(keptIndices(result)).not.toContain(USEFUL[0])
    expect(keptIndices(result)).not.toContain(5)
  })

  test('zero-out keeps the same ReLUs here and has no model to store', async () => {
    const result = await run({ removed: 'zero' })
    expect(result.network).toBeUndefined()
    expect(keptIndices(result)).toEqual(USEFUL)
    expect(result.accuracy).toBeGreaterThan(0.9)
  })

  test('zero-out of every ReLU leaves a constant answer', async () => {
    const result = await run({ removed: 'zero', budget: 0, final: 'largest', finetune: false })
    let ones = 0
    const images = toyBatches('test', 4, 64).open({ epoch: 0, step: 0 })
    for (let step = 0; step < 4; step++) for (const label of (await images.next()).value?.labels ?? []) ones += label
    // The share of one of the two labels, whichever the bias prefers.
    expect([ones / 256, 1 - ones / 256]).toContain(result.accuracy)
  })

  test('from scratch, distilled by the trained network', async () => {
    const result = await run({ start: 'scratch', budget: 12, final: 'largest', finetune: { epochs: 1 } })
    expect(result.relus.kept).toBe(12)
    expect(networkOf(result).tensors.get('both.weight')?.data).not.toEqual(solvedToy().tensors.get('both.weight')?.data)
  })

  test('distillation while sparsifying', async () => {
    const loss = { kind: 'distillation' } as const
    const result = await run({ sparsify: { ...SPEC.sparsify, loss }, finetune: false })
    expect(keptIndices(result)).toEqual(USEFUL)
  })
})

describe('stopping and going on', () => {
  const folders: string[] = []
  const folder = (): string => {
    const made = mkdtempSync(join(tmpdir(), 'adyton-snl-'))
    folders.push(made)
    return made
  }
  afterAll(() => folders.forEach((made) => rmSync(made, { recursive: true, force: true })))

  const bytes = (result: SnlResult): unknown => ({
    tensors: [...networkOf(result).tensors].map(([name, { data }]) => [name, Buffer.from(data.buffer).toString('hex')]),
    slopes: [...result.slopes].map(([id, data]) => [id, Buffer.from(data.buffer).toString('hex')]),
    history: result.history,
    relus: result.relus,
  })

  test.each([
    ['while sparsifying', 'sparsify', 2],
    ['while fine-tuning', 'finetune', 0],
  ] as const)('%s ends with the same bits', async (_name, phase, epoch) => {
    const whole = await run()
    const storage = folder()
    const stop = new AbortController()
    const around = surroundings(engine, {
      signal: stop.signal,
      onEpoch: (report) => {
        if (report.phase === phase && report.epoch === epoch) stop.abort()
      },
    })
    const options = { network: solvedToy(), spec: SPEC, seed: 1 }
    await expect(snl(around, { ...options, storage: storageIn(storage, true) })).rejects.toMatchObject({
      code: 'cancelled',
    })
    const seen: string[] = []
    const resumed = await snl(
      surroundings(engine, { onEpoch: (report) => void seen.push(`${report.phase} ${report.epoch}`) }),
      { ...options, storage: storageIn(storage, true) },
    )
    expect(seen[0]).toBe(`${phase} ${epoch + 1}`)
    expect(bytes(resumed)).toEqual(bytes(whole))
  })

  test('with another budget, coefficient or network it is refused', async () => {
    const storage = storageIn(folder(), true)
    await run({ finetune: false }, { storage })
    for (const spec of [{ budget: 5 }, { lambda: 0.003 }, { final: 'largest' as const }]) {
      const changed = run({ finetune: false, ...spec }, { storage })
      await expect(changed).rejects.toThrow(failing('checkpoint-mismatch', /SNL was begun with/))
    }
    const { graph, tensors } = solvedToy()
    const other = { graph, tensors: new Map(tensors).set('fc.bias', { shape: [2], data: Float32Array.of(0, 1) }) }
    await expect(run({ finetune: false }, { storage, network: other })).rejects.toThrow(/SNL was begun with/)
  })

  test('another seed is another run', async () => {
    const [a, b] = [await run(), await run({}, { seed: 2 })]
    expect(bytes(a)).not.toEqual(bytes(b))
  })
})

test('the penalty is the l1 norm, and does not move slopes that are 0', async () => {
  const { tf } = engine
  const c = tf.tensor4d([0.5, 0, -2, 1], [1, 2, 2, 1])
  const { value, grad } = tf.valueAndGrad((x) => slopeNorm(engine, [x]))(c) as never as {
    value: typeof c
    grad: typeof c
  }
  expect((await value.data())[0]).toBe(3.5)
  expect([...(await grad.data())]).toEqual([1, 0, -1, 1])
  tf.dispose([c, value, grad])
})
