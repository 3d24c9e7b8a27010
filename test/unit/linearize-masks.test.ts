/** Masks and their counts, selection at a budget, and whole-layer methods. */
import { describe, expect, test } from 'vitest'
import { architecture } from '../../core/architectures/index.ts'
import { resnet } from '../../core/architectures/resnet.ts'
import { cull, dropToBudget, layerBudgets, onlyStage, thin } from '../../core/linearize/layers.ts'
import {
  countAll,
  countKept,
  intersect,
  layerStatistics,
  masksOf,
  perElement,
  reluLayers,
  stageStatistics,
  uniformMasks,
  withMasks,
  type Mask,
} from '../../core/linearize/masks.ts'
import { randomMasks, selectLargest } from '../../core/linearize/select.ts'
import { countNetwork } from '../../core/network/counts.ts'
import type { Graph } from '../../core/network/graph.ts'
import { checkTensors, randomTensors } from '../../core/network/tensors.ts'
import { naive, prg } from './network-helpers.ts'

const small = resnet({ name: 'small', classes: 3, inputShape: [1, 8, 8], channels: [2, 4], blocks: [1, 2] })
const resnet18 = architecture('resnet18', { classes: 100 })

const slopesOf = (graph: Graph, value: (index: number) => number): Map<string, Float32Array> => {
  let at = 0
  return new Map(
    reluLayers(graph).map((layer) => [layer.id, Float32Array.from({ length: layer.size }, () => value(at++))]),
  )
}
const flat = (graph: Graph, masks: ReadonlyMap<string, Mask>): number[] =>
  reluLayers(graph).flatMap((layer) => [...perElement(masks, layer)])

describe('masks in a model', () => {
  test('a stored model gives its masks back, and counts agree with core/network', () => {
    const tensors = randomTensors(small, prg(1))
    const masks = randomMasks(small, 100, 5)
    const model = withMasks({ graph: small, tensors }, masks)
    checkTensors(model.graph, model.tensors)
    expect(flat(model.graph, masksOf(model))).toEqual(flat(small, masks))
    expect(countNetwork(model.graph, model.tensors).relus).toBe(100)
    expect(countKept(small, masks)).toBe(100)
    const stages = stageStatistics(small, masks)
    expect(stages.map((stage) => stage.kept)).toEqual(
      countNetwork(model.graph, model.tensors).stages.map((stage) => stage.relus),
    )
    // Weights are untouched: the same tensors under the same names.
    for (const [name, tensor] of tensors) expect(model.tensors.get(name)).toBe(tensor)
  })

  test('masks of ones are not stored, and new masks replace the old', () => {
    const tensors = randomTensors(small, prg(1))
    const masked = withMasks({ graph: small, tensors }, randomMasks(small, 10, 5))
    const bare = withMasks(masked, uniformMasks(small, 'element', 1))
    expect(bare.graph).toEqual(small)
    expect([...bare.tensors.keys()].sort()).toEqual([...tensors.keys()].sort())
  })

  test('a channel mask means its elements: the network computes the same', () => {
    const tensors = randomTensors(small, prg(2))
    const channels = randomMasks(small, 120, 9, { granularity: 'channel' })
    const elements = intersect(small, channels, uniformMasks(small, 'element', 1))
    const image = Array.from({ length: 64 }, (_, i) => Math.sin(i))
    const run = (masks: ReadonlyMap<string, Mask>): number[] => {
      const model = withMasks({ graph: small, tensors }, masks)
      return naive(model.graph, model.tensors, image).get('fc') as number[]
    }
    expect([...channels.values()].every((mask) => mask.granularity === 'channel')).toBe(true)
    expect([...elements.values()].every((mask) => mask.granularity === 'element')).toBe(true)
    expect(run(elements)).toEqual(run(channels))
    expect(run(elements)).not.toEqual(run(uniformMasks(small, 'element', 1)))
  })

  test('a mask that does not fit is refused by name', () => {
    const { graph, tensors } = withMasks(
      { graph: small, tensors: randomTensors(small, prg(1)) },
      randomMasks(small, 10, 1),
    )
    const id = reluLayers(small)[2].id
    const broken = new Map(tensors).set(`${id}.mask`, { shape: [3], data: new Uint8Array(3) })
    expect(() => masksOf({ graph, tensors: broken })).toThrow(`${id}.mask`)
  })
})

describe('the largest slopes', () => {
  test('are kept, exactly as many as the budget', () => {
    const total = countAll(small)
    // A permutation: 7 has no factor in common with the count.
    const rank = (i: number): number => (i * 7 + 3) % total
    const slopes = slopesOf(small, (i) => rank(i) / total)
    for (const budget of [0, 1, 17, total - 1, total]) {
      const kept = flat(small, selectLargest(small, slopes, budget))
      expect(kept).toEqual(Array.from({ length: total }, (_, i) => (rank(i) >= total - budget ? 1 : 0)))
    }
  })

  test('equal slopes go in execution order', () => {
    const kept = flat(
      small,
      selectLargest(
        small,
        slopesOf(small, () => 0.5),
        9,
      ),
    )
    expect(kept.slice(0, 9).every((value) => value === 1)).toBe(true)
    expect(kept.slice(9).every((value) => value === 0)).toBe(true)
  })

  test('what is dropped already is not chosen', () => {
    const within = thin(small, uniformMasks(small, 'element', 1))
    const chosen = selectLargest(
      small,
      slopesOf(small, () => 1),
      50,
      'element',
      { within },
    )
    expect(countKept(small, intersect(small, chosen, within))).toBe(50)
    expect(() =>
      selectLargest(
        small,
        slopesOf(small, () => 1),
        countKept(small, within) + 1,
        'element',
        { within },
      ),
    ).toThrow(expect.objectContaining({ code: 'usage' }) as Error)
  })

  test('by channel, whole channels within the budget, the largest first', () => {
    const layers = reluLayers(small)
    const slopes = new Map(layers.map((layer) => [layer.id, new Float32Array(layer.channels)]))
    const [first, last] = [layers[0], layers[layers.length - 1]]
    slopes.get(first.id)?.set([0.2, 0.9])
    slopes.get(last.id)?.set([0.5, 0.1, 0.8, 0.7])
    // 64 + 16 + 16 = 96; the next, 16 more, would pass 100.
    const masks = selectLargest(small, slopes, 100, 'channel')
    expect([...(masks.get(first.id)?.kept ?? [])]).toEqual([0, 1])
    expect([...(masks.get(last.id)?.kept ?? [])]).toEqual([0, 0, 1, 1])
    expect(countKept(small, masks)).toBe(96)
  })

  test('NaN is refused', () => {
    expect(() =>
      selectLargest(
        small,
        slopesOf(small, () => NaN),
        5,
      ),
    ).toThrow(/NaN/)
  })
})

describe('random masks', () => {
  test('keep exactly the budget, by seed', () => {
    const a = flat(small, randomMasks(small, 77, 'a'))
    expect(a.reduce((x, y) => x + y)).toBe(77)
    expect(flat(small, randomMasks(small, 77, 'a'))).toEqual(a)
    expect(flat(small, randomMasks(small, 77, 'b'))).not.toEqual(a)
  })

  test('every position is as likely as any other', () => {
    const total = countAll(small)
    const budget = Math.floor(total / 4)
    const draws = 600
    const counts = new Float64Array(total)
    for (let seed = 0; seed < draws; seed++)
      flat(small, randomMasks(small, budget, seed)).forEach((v, i) => (counts[i] += v))
    const p = budget / total
    // Each count is binomial; the sum of squares of the standardised ones has mean total - 1 (the budget ties them) and
    // standard deviation about sqrt(2 total). Six of those is chance one in a thousand million.
    const chi = counts.reduce((sum, n) => sum + (n - draws * p) ** 2 / (draws * p * (1 - p)), 0)
    expect(Math.abs(chi - total)).toBeLessThan(6 * Math.sqrt(2 * total))
    for (const n of counts) expect(Math.abs(n - draws * p)).toBeLessThan(6 * Math.sqrt(draws * p * (1 - p)))
  })
})

describe('whole-layer methods', () => {
  const all = uniformMasks(resnet18, 'element', 1)

  test('thinning halves the 540,672 ReLUs of ResNet-18 after the stem', () => {
    // DeepReShape section 3.3: half of the network's ReLUs, from alternate layers. The stem has 65,536.
    expect(countAll(resnet18)).toBe(557056)
    const kept = thin(resnet18, all)
    expect(countKept(resnet18, kept)).toBe(65536 + 491520 / 2)
    const pattern = layerStatistics(resnet18, kept).map((row) => row.kept / row.total)
    expect(pattern).toEqual(pattern.map((_, i) => (i + 1) % 2))
    expect(countKept(resnet18, thin(resnet18, all, { first: 'drop' }))).toBe(491520 / 2)
  })

  test('culling drops one stage; thinning after it counts live layers only', () => {
    const culled = cull(resnet18, all, 0)
    // The counts of DeepReDuce for S2+S3+S4 and its thinned form: 229.4K and 114.7K.
    expect(countKept(resnet18, culled)).toBe(229376)
    expect(countKept(resnet18, thin(resnet18, culled))).toBe(114688)
    expect(() => cull(resnet18, all, 7)).toThrow(/stage 7/)
  })

  test('one stage alone has the ReLUs of table 10', () => {
    const kept = [0, 1, 2, 3].map((stage) => countKept(resnet18, onlyStage(resnet18, all, stage)))
    expect(kept).toEqual([327680, 131072, 65536, 32768])
  })

  test('dropping to a budget keeps whole layers, at or under it', () => {
    for (const budget of [0, 8192, 30000, 100000, 300000, 557056]) {
      const masks = dropToBudget(resnet18, all, budget)
      const rows = layerStatistics(resnet18, masks)
      expect(rows.every((row) => row.kept === 0 || row.kept === row.total)).toBe(true)
      const kept = countKept(resnet18, masks)
      expect(kept).toBeLessThanOrEqual(budget)
      // Nothing that was dropped fits any more.
      for (const row of rows) if (row.kept === 0) expect(kept + row.total).toBeGreaterThan(budget)
    }
    for (const budget of layerBudgets(resnet18, all)) {
      expect(countKept(resnet18, dropToBudget(resnet18, all, budget))).toBe(budget)
    }
  })
})
