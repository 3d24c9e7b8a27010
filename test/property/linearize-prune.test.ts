/** Graph rewriting on random networks: pruning, channel groups, scaling. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { channelGroups } from '../../core/linearize/channel-groups.ts'
import { countKept, masksOf, uniformMasks, withMasks } from '../../core/linearize/masks.ts'
import { keepFilters, pruneFilters } from '../../core/linearize/prune.ts'
import { scaleChannels, scaleFeatureMaps } from '../../core/linearize/scale.ts'
import { randomMasks } from '../../core/linearize/select.ts'
import { countNetwork } from '../../core/network/counts.ts'
import type { Graph, GraphNode, Tensors } from '../../core/network/graph.ts'
import { elements, inferShapes } from '../../core/network/shapes.ts'
import { checkTensors, randomTensors } from '../../core/network/tensors.ts'
import { naive, prg, randomGraph } from '../unit/network-helpers.ts'

const graphs = fc
  .tuple(fc.array(fc.nat(1000), { maxLength: 60 }), fc.integer({ min: 1, max: 10 }))
  .map(([list, size]) => randomGraph(list, size))

const image = (graph: Graph): number[] => {
  const [input] = graph.nodes
  return Array.from({ length: input.op === 'input' ? elements(input.shape) : 0 }, (_, i) => Math.sin(1 + 3 * i))
}

/** Weights that read a dropped channel set to 0, by the definition of a channel: no gathering of anything. */
function silenced(graph: Graph, tensors: Tensors, dropped: (group: string, channel: number) => boolean): Tensors {
  const out = new Map(tensors)
  const shapes = inferShapes(graph)
  const nodes = new Map(graph.nodes.map((node) => [node.id, node]))
  for (const group of channelGroups(graph)) {
    for (const { id } of group.readers) {
      const node = nodes.get(id) as GraphNode
      const shape = shapes.get(node.inputs[0]) ?? []
      const data = Float32Array.from(out.get(`${id}.weight`)?.data ?? [])
      // The input that a weight multiplies: of a convolution its channel, of a dense layer after flatten a pixel.
      const [inputs] = shape
      const taps = node.op === 'conv2d' ? node.kernel[0] * node.kernel[1] : 1
      for (let i = 0; i < data.length; i++) {
        const input = Math.floor(i / taps) % inputs
        if (dropped(group.id, Math.floor((input * group.channels) / inputs))) data[i] = 0
      }
      out.set(`${id}.weight`, { shape: out.get(`${id}.weight`)?.shape ?? [], data })
    }
  }
  return out
}

const close = (a: readonly number[], b: readonly number[]): void => {
  expect(a.length).toBe(b.length)
  const scale = Math.max(1, ...a.map(Math.abs))
  a.forEach((x, i) => expect(Math.abs(x - b[i])).toBeLessThan(1e-9 * scale))
}

describe('pruning', () => {
  test('computes what the whole network computes once the weights that read the dropped channels are 0', () => {
    fc.assert(
      fc.property(graphs, fc.array(fc.nat(99), { minLength: 40, maxLength: 40 }), (graph, choice) => {
        const tensors = randomTensors(graph, prg(3))
        const groups = channelGroups(graph)
        let at = 0
        const selection = new Map(
          groups
            .filter((group) => group.kind !== 'fixed')
            .map((group) => {
              const some = Array.from({ length: group.channels }, (_, c) => c).filter(
                () => choice[at++ % choice.length] % 2 === 0,
              )
              return [group.id, Uint32Array.from(some.length === 0 ? [group.channels - 1] : some)]
            }),
        )
        const pruned = keepFilters({ graph, tensors }, selection)
        checkTensors(pruned.graph, pruned.tensors)
        const x = image(graph)
        const whole = silenced(graph, tensors, (id, channel) => selection.get(id)?.includes(channel) === false)
        close(naive(pruned.graph, pruned.tensors, x).get('out') ?? [], naive(graph, whole, x).get('out') ?? [])
      }),
      { numRuns: 60 },
    )
  })

  test('to a budget: at or under it, fewer weights, the largest norms kept', () => {
    fc.assert(
      fc.property(graphs, fc.double({ min: 0, max: 1, noNaN: true }), fc.boolean(), (graph, share, coupled) => {
        const tensors = randomTensors(graph, prg(4))
        const before = countNetwork(graph, tensors)
        const budget = Math.floor(share * before.relus)
        const residual = coupled ? ('coupled' as const) : ('inner' as const)
        let pruned
        try {
          pruned = pruneFilters({ graph, tensors }, budget, { residual })
        } catch (error) {
          expect(error).toMatchObject({ code: 'usage' })
          return
        }
        const after = countNetwork(pruned.graph, pruned.tensors)
        expect(after.relus).toBeLessThanOrEqual(budget)
        expect(after.relus).toBe(countKept(pruned.graph, masksOf(pruned)))
        expect(after.params).toBeLessThanOrEqual(before.params)
        if (after.relus < before.relus) expect(after.params).toBeLessThan(before.params)
      }),
      { numRuns: 60 },
    )
  })
})

describe('scaling', () => {
  test('keeps shapes valid, the outputs, and whole layers that were dropped', () => {
    fc.assert(
      fc.property(graphs, fc.constantFrom(0.5, 0.25, 2), (graph, factor) => {
        const bare: Graph = {
          ...graph,
          nodes: graph.nodes.map((node) => (node.op === 'relu' ? { ...node, mask: 'none' } : node)),
        }
        const masks = uniformMasks(bare, 'channel', 1)
        const first = [...masks.keys()][0]
        masks.get(first)?.kept.fill(0)
        let scaled
        try {
          scaled = scaleChannels(bare, masks, factor)
        } catch (error) {
          // An addition with the image cannot be scaled; the error names the node.
          expect(error).toMatchObject({ code: 'model-invalid' })
          return
        }
        const shapes = inferShapes(scaled.graph)
        expect(shapes.get('out')).toEqual([3])
        const expected =
          countNetwork(scaled.graph).relus - (first === undefined ? 0 : elements(shapes.get(first) ?? []))
        expect(countKept(scaled.graph, scaled.masks)).toBe(expected)
      }),
      { numRuns: 60 },
    )
  })

  test('a mask of single elements does not carry over', () => {
    const graph = randomGraph([0, 0, 0], 1)
    const relu: GraphNode = { id: 'r', op: 'relu', inputs: [graph.nodes[1].id], mask: 'none' }
    const nodes = [...graph.nodes.slice(0, 2), relu, ...graph.nodes.slice(2)]
    const withRelu: Graph = { ...graph, nodes }
    const masks = randomMasks(withRelu, 3, 1)
    expect(() => scaleChannels(withRelu, masks, 0.5)).toThrow(/'r' is masked in part/)
    expect(() => scaleFeatureMaps(withRelu, masks, 2)).toThrow(/'r' is masked in part/)
    expect(withMasks({ graph: withRelu, tensors: new Map() }, masks).graph.nodes[2]).toMatchObject({ mask: 'element' })
  })
})
