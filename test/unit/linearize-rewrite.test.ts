/** Rewriting of known networks: which channels go together, l1 pruning by hand, scaled counts as published. */
import { describe, expect, test } from 'vitest'
import { architecture } from '../../core/architectures/index.ts'
import { resnet } from '../../core/architectures/resnet.ts'
import { channelGroups } from '../../core/linearize/channel-groups.ts'
import { cull, thin } from '../../core/linearize/layers.ts'
import { countKept, uniformMasks } from '../../core/linearize/masks.ts'
import { pruneFilters, selectFilters } from '../../core/linearize/prune.ts'
import { scaleChannels, scaleFeatureMaps } from '../../core/linearize/scale.ts'
import { randomMasks } from '../../core/linearize/select.ts'
import { countNetwork } from '../../core/network/counts.ts'
import type { Graph, Tensor } from '../../core/network/graph.ts'
import { checkTensors, randomTensors } from '../../core/network/tensors.ts'
import { prg } from './network-helpers.ts'

const resnet18 = architecture('resnet18', { classes: 100 })

describe('channel groups', () => {
  test('of a residual network: inner channels of each block, and one residual group a stage', () => {
    const groups = channelGroups(resnet18)
    const inner = groups.filter((group) => group.kind === 'inner')
    expect(inner.map((group) => group.id)).toEqual(
      [1, 2, 3, 4].flatMap((stage) => [0, 1].map((block) => `stage${stage}.${block}.a.conv`)),
    )
    const residual = groups.filter((group) => group.kind === 'residual')
    expect(residual.map((group) => group.channels)).toEqual([64, 128, 256, 512])
    expect(residual[0].producers).toEqual(['stem.conv', 'stage1.0.b.conv', 'stage1.1.b.conv'])
    expect(residual[3].readers).toContainEqual({ id: 'fc', block: 1 })
    expect(groups.filter((group) => group.kind === 'fixed').map((group) => group.id)).toEqual(['fc'])
  })

  test('a dense layer after flatten reads a block of inputs a channel', () => {
    const lenet = architecture('lenet-tiny', { classes: 10 })
    const conv2 = channelGroups(lenet).find((group) => group.id === 'conv2.conv')
    expect(conv2).toMatchObject({ kind: 'inner', channels: 8, readers: [{ id: 'fc1', block: 9 }] })
  })
})

/** Two dense layers with a ReLU between; the l1 norms of the hidden neurons are 3, 1, 2, 1. */
const dense: Graph = {
  name: 'dense',
  nodes: [
    { id: 'in', op: 'input', inputs: [], shape: [2] },
    { id: 'd1', op: 'dense', inputs: ['in'], outFeatures: 4, bias: true },
    { id: 'r', op: 'relu', inputs: ['d1'], mask: 'none' },
    { id: 'd2', op: 'dense', inputs: ['r'], outFeatures: 1, bias: true },
  ],
}
const float = (shape: number[], values: number[]): Tensor => ({ shape, data: Float32Array.from(values) })
const denseTensors = new Map([
  ['d1.weight', float([4, 2], [-1, 2, 1, 0, -1, -1, 0.5, 0.5])],
  ['d1.bias', float([4], [10, 20, 30, 40])],
  ['d2.weight', float([1, 4], [5, 6, 7, 8])],
  ['d2.bias', float([1], [9])],
])

describe('l1 filter pruning', () => {
  test('keeps the filters with the largest sums of absolute weights, and what reads them', () => {
    const { graph, tensors } = pruneFilters({ graph: dense, tensors: denseTensors }, 2)
    expect(graph.nodes[1]).toMatchObject({ outFeatures: 2 })
    expect([...(tensors.get('d1.weight')?.data ?? [])]).toEqual([-1, 2, -1, -1])
    expect([...(tensors.get('d1.bias')?.data ?? [])]).toEqual([10, 30])
    expect([...(tensors.get('d2.weight')?.data ?? [])]).toEqual([5, 7])
    expect([...(tensors.get('d2.bias')?.data ?? [])]).toEqual([9])
  })

  test('equal norms keep the first', () => {
    expect([...(selectFilters({ graph: dense, tensors: denseTensors }, 3).get('d1') ?? [])]).toEqual([0, 1, 2])
  })

  test('of ResNet-18: inner pruning leaves the ReLUs after additions, coupled pruning goes below', () => {
    const network = { graph: resnet18, tensors: randomTensors(resnet18, prg(1)) }
    const outer = 65536 + 491520 / 2
    const pruned = pruneFilters(network, 400000)
    checkTensors(pruned.graph, pruned.tensors)
    const counts = countNetwork(pruned.graph)
    expect(counts.relus).toBeLessThanOrEqual(400000)
    // At most one more channel of the smallest area, 4x4, would have fitted.
    expect(counts.relus).toBeGreaterThan(400000 - 16)
    expect(() => pruneFilters(network, outer)).toThrow(/at least/)
    const coupled = pruneFilters(network, 50000, { residual: 'coupled' })
    checkTensors(coupled.graph, coupled.tensors)
    expect(countNetwork(coupled.graph).relus).toBeLessThanOrEqual(50000)
  })

  test('a budget above the count is an error', () => {
    expect(() => pruneFilters({ graph: dense, tensors: denseTensors }, 5)).toThrow(
      expect.objectContaining({ code: 'usage' }) as Error,
    )
  })
})

describe('reshaping', () => {
  const all = uniformMasks(resnet18, 'channel', 1)

  test('half the channels: half the ReLUs, and a quarter of the multiplications but for the ends', () => {
    const { graph, masks } = scaleChannels(resnet18, all, 0.5)
    const [before, after] = [countNetwork(resnet18), countNetwork(graph)]
    expect(after.relus).toBe(before.relus / 2)
    expect(countKept(graph, masks)).toBe(after.relus)
    expect(before.macs / after.macs).toBeGreaterThan(3.9)
    expect(before.macs / after.macs).toBeLessThanOrEqual(4)
    // The same architecture as one built with half the channels.
    const built = resnet({
      name: 'x',
      classes: 100,
      inputShape: [3, 32, 32],
      channels: [32, 64, 128, 256],
      blocks: [2, 2, 2, 2],
    })
    expect(graph.nodes).toEqual(built.nodes)
  })

  test('feature maps of half the side: a quarter of the ReLUs', () => {
    const { graph } = scaleFeatureMaps(resnet18, all, 2)
    expect(countNetwork(graph).relus).toBe(countNetwork(resnet18).relus / 4)
    expect(countNetwork(graph).params).toBe(countNetwork(resnet18).params)
  })

  test('culled, thinned, then scaled, as DeepReDuce does: the ReLUs it quotes for S2+S3+S4', () => {
    const thinned = thin(resnet18, cull(resnet18, all, 0))
    const half = scaleChannels(resnet18, thinned, 0.5)
    expect(countKept(half.graph, half.masks)).toBe(57344)
    const quarter = scaleFeatureMaps(half.graph, half.masks, 2)
    expect(countKept(quarter.graph, quarter.masks)).toBe(14336)
  })

  test('what cannot be scaled is refused', () => {
    expect(() => scaleChannels(resnet18, all, 0)).toThrow(/factor/)
    expect(() => scaleFeatureMaps(resnet18, all, 1.5)).toThrow(/divisor/)
    expect(() => scaleFeatureMaps(dense, new Map(), 2)).toThrow(/convolutions/)
    expect(() => scaleChannels(resnet18, randomMasks(resnet18, 1000, 1), 0.5)).toThrow(/masked in part/)
  })
})
