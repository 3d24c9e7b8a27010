/**
 * The whole protocol in one process: every kind of layer, against the simulator (bit for bit) and the clear
 * fixed-point run.
 */
import { describe, expect, test } from 'vitest'
import { architecture } from '../../core/architectures/index.ts'
import { loadKernels } from '../../core/kernels/index.ts'
import { phaseBytes } from '../../core/ledger/report.ts'
import type { Graph, GraphNode } from '../../core/network/graph.ts'
import { fixedRunner, quantiseInput } from '../../core/network/fixed.ts'
import type { LoweredModel } from '../../core/network/plan.ts'
import { randomMasks, randomTensors } from '../../core/network/tensors.ts'
import { simulate } from '../../core/protocol/simulator.ts'
import { exactBytes } from '../../core/protocol/sizes.ts'
import { prgFor } from '../../core/ring/prg.ts'
import { lowered, noise, startParties } from '../fixtures/parties.ts'

const SEED = new Uint8Array(32).fill(3)
const kernels = loadKernels()

const conv = (id: string, from: string, outChannels: number, stride = 1, kernel = 3): GraphNode => ({
  id,
  inputs: [from],
  op: 'conv2d',
  outChannels,
  kernel: [kernel, kernel],
  stride,
  padding: (kernel - 1) / 2,
  groups: 1,
  bias: true,
})
const relu = (id: string, from: string): GraphNode => ({ id, inputs: [from], op: 'relu', mask: 'none' })

/** A residual block, a strided one with a projection, average pooling, concat, a lone batch norm. */
const residual: Graph = {
  name: 'residual',
  nodes: [
    { id: 'image', inputs: [], op: 'input', shape: [2, 8, 8] },
    conv('c1', 'image', 4),
    relu('r1', 'c1'),
    conv('c2', 'r1', 4),
    { id: 'a1', inputs: ['c2', 'r1'], op: 'add' },
    relu('r2', 'a1'),
    conv('c3', 'r2', 6, 2),
    conv('p3', 'r2', 6, 2, 1),
    { id: 'a3', inputs: ['c3', 'p3'], op: 'add' },
    { id: 'n3', inputs: ['a3'], op: 'batchNorm', epsilon: 1e-5 },
    relu('r3', 'n3'),
    { id: 'pool', inputs: ['r3'], op: 'averagePool', kernel: [2, 2], stride: 2, padding: 0 },
    { id: 'both', inputs: ['pool', 'pool'], op: 'concat' },
    { id: 'flat', inputs: ['both'], op: 'flatten' },
    { id: 'fc', inputs: ['flat'], op: 'dense', outFeatures: 5, bias: true },
  ],
}

function model(graph: Graph, keep = 1, reveal: 'logits' | 'label' = 'logits'): LoweredModel {
  const weights = randomTensors(graph, prgFor(SEED, 'weights'))
  if (keep === 1) return lowered(graph, weights, { reveal })
  const masked = randomMasks(graph, keep, prgFor(SEED, 'masks'))
  return lowered(masked.graph, new Map([...weights, ...masked.masks]), { reveal })
}

describe.each([
  ['residual network, every ReLU kept', residual, 1],
  ['residual network, half of the ReLUs linearised', residual, 0.5],
  ['residual network, no ReLU at all', residual, 0],
  ['max-pooling network', architecture('lenet-tiny', { classes: 10 }), 1],
])('%s', (_name, graph, keep) => {
  test('gives the simulator its logits bit for bit and the announced bytes', async () => {
    const lowerModel = model(graph, keep)
    const parties = await startParties(lowerModel, { kernels })
    try {
      const { plan } = lowerModel
      for (const which of ['first', 'second']) {
        const image = quantiseInput(plan, noise(plan.values[0].length, which))
        const { id, seed, ledger: offline } = await parties.client.prepare()
        const { logits, label, ledger: online } = await parties.client.infer(id, image)
        const made = parties.served.find((served) => served.packageId === id && served.seed !== undefined)
        const simulated = simulate(kernels, lowerModel, image, seed as Uint8Array, made?.seed as Uint8Array)
        expect([...(logits as Float64Array)]).toEqual([...simulated.logits])
        expect(label).toBe(simulated.label)
        const exact = exactBytes(plan)
        expect(phaseBytes(offline, 'offline')).toMatchObject(exact.offline)
        expect(phaseBytes(online, 'online')).toMatchObject(exact.online)
        const clear = fixedRunner(lowerModel)(image).logits
        if (keep === 1) expect([...simulated.logits]).toEqual([...clear])
      }
    } finally {
      await parties.close()
    }
  })
})

test('a model that reveals only the label gives the label and no logits', async () => {
  const lowerModel = model(residual, 1, 'label')
  const parties = await startParties(lowerModel, { kernels })
  try {
    const { plan } = lowerModel
    const image = quantiseInput(plan, noise(plan.values[0].length, 'label'))
    const { id } = await parties.client.prepare()
    const answer = await parties.client.infer(id, image)
    expect(answer.logits).toBeUndefined()
    expect(answer.label).toBe(fixedRunner(lowerModel)(image).label)
  } finally {
    await parties.close()
  }
})

test('a package serves one inference', async () => {
  const lowerModel = model(residual)
  const parties = await startParties(lowerModel, { kernels })
  try {
    const { plan } = lowerModel
    const image = quantiseInput(plan, noise(plan.values[0].length, 'once'))
    const { id } = await parties.client.prepare()
    await parties.client.infer(id, image)
    await expect(parties.client.infer(id, image)).rejects.toMatchObject({ code: 'package-used' })
  } finally {
    await parties.close()
  }
})
