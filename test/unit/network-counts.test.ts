import { describe, expect, it } from 'vitest'
import { countNetwork } from '../../core/network/counts.ts'
import type { Graph } from '../../core/network/graph.ts'
import { randomMasks, randomTensors, tensorSpecs } from '../../core/network/tensors.ts'
import { architecture } from '../../core/architectures/index.ts'
import { prg } from './network-helpers.ts'

const graph: Graph = {
  name: 'small',
  nodes: [
    { id: 'in', op: 'input', inputs: [], shape: [3, 8, 8] },
    {
      id: 'a',
      op: 'conv2d',
      inputs: ['in'],
      outChannels: 6,
      kernel: [3, 3],
      stride: 1,
      padding: 1,
      groups: 3,
      bias: true,
    },
    { id: 'n', op: 'batchNorm', inputs: ['a'], epsilon: 1e-5 },
    { id: 'r', op: 'relu', inputs: ['n'], mask: 'channel' },
    { id: 'p', op: 'averagePool', inputs: ['r'], kernel: [8, 8], stride: 8, padding: 0 },
    { id: 'f', op: 'flatten', inputs: ['p'] },
    { id: 'd', op: 'dense', inputs: ['f'], outFeatures: 4, bias: false },
  ],
  stages: ['n', 'p'],
}

describe('counts', () => {
  it('follow from kernel sizes, groups and output sizes', () => {
    const counts = countNetwork(graph)
    // 6 outputs of 1 channel x 9 taps at 64 places; 6 x 4 in the classifier.
    expect(counts.macs).toBe(6 * 9 * 64 + 24)
    expect(counts.params).toBe(6 * 9 + 6 + 12 + 24)
    expect(counts.relus).toBe(6 * 64)
    expect(counts.nodes.find((node) => node.id === 'a')).toEqual({ id: 'a', relus: 0, macs: 6 * 9 * 64, params: 60 })
  })

  it('give a stem to the first stage', () => {
    const [first, second] = countNetwork(graph).stages
    expect(first).toEqual({ id: 'n', relus: 384, macs: 6 * 9 * 64, params: 72 })
    expect(second).toEqual({ id: 'p', relus: 0, macs: 24, params: 24 })
  })

  it('leave out linearised channels when masks are given', () => {
    const mask = { shape: [6], data: Uint8Array.of(1, 0, 0, 1, 0, 0) }
    expect(countNetwork(graph, new Map([['r.mask', mask]])).relus).toBe(128)
  })

  it.each([0, 0.05, 0.5, 1])('random masks keep exactly the share %f', (keep) => {
    const net = architecture('resnet20', { classes: 10 })
    const { graph: masked, masks } = randomMasks(net, keep, prg(1))
    expect(countNetwork(masked, masks).relus).toBe(Math.round(keep * countNetwork(net).relus))
  })

  it('random masks spread over every layer', () => {
    const { masks } = randomMasks(architecture('resnet20', { classes: 10 }), 0.25, prg(2))
    for (const { data } of masks.values()) {
      const share = Uint8Array.from(data).reduce((a, b) => a + b, 0) / data.length
      expect(share).toBeGreaterThan(0.2)
      expect(share).toBeLessThan(0.3)
    }
  })
})

describe('random tensors', () => {
  it('have the shapes of the graph, and He-normal spread', () => {
    const net = architecture('resnet20', { classes: 10 })
    const tensors = randomTensors(net, prg(3))
    expect([...tensors.keys()]).toEqual(tensorSpecs(net).map((spec) => spec.name))
    const weight = tensors.get('stage3.2.b.conv.weight')
    expect(weight?.shape).toEqual([64, 64, 3, 3])
    const data = [...(weight?.data ?? [])]
    const variance = data.reduce((a, b) => a + b * b, 0) / data.length
    expect(variance * ((64 * 9) / 2)).toBeCloseTo(1, 1)
  })

  it('repeat with the seed and change with it', () => {
    const net = architecture('lenet-tiny', { classes: 10 })
    expect(randomTensors(net, prg(4))).toEqual(randomTensors(net, prg(4)))
    expect(randomTensors(net, prg(4))).not.toEqual(randomTensors(net, prg(5)))
  })
})
