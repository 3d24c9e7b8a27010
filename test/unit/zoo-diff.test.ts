import { join } from 'node:path'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { writeModel } from '../../core/formats/model-directory.ts'
import type { Graph, GraphNode, Tensor, Tensors } from '../../core/network/graph.ts'
import { randomTensors } from '../../core/network/tensors.ts'
import { Prg } from '../../core/ring/prg.ts'
import { diffGraphs, diffNetworks } from '../../core/zoo/diff.ts'
import { longestCommon } from '../../core/zoo/diff-nodes.ts'
import { importModel } from '../../core/zoo/import.ts'
import { withZoo } from '../../core/zoo/zoo.ts'
import { CARD, temporaryFolder, tinyModel } from '../fixtures/zoo.ts'

interface Network {
  readonly graph: Graph
  readonly tensors: Tensors
}

const conv = (id: string, input: string, outChannels = 2): GraphNode => ({
  ...{ id, inputs: [input], op: 'conv2d', outChannels, kernel: [3, 3], stride: 1, padding: 1, groups: 1, bias: true },
})
const relu = (id: string, input: string): GraphNode => ({ id, inputs: [input], op: 'relu', mask: 'element' })
const input: GraphNode = { id: 'in', inputs: [], op: 'input', shape: [1, 4, 4] }

function network(...nodes: GraphNode[]): Network {
  const graph = { name: 'n', nodes: [input, ...nodes] }
  return { graph, tensors: randomTensors(graph, new Prg(new Uint8Array(16))) }
}

function edited({ graph, tensors }: Network, name: string, edit: (data: Tensor['data']) => void): Network {
  const tensor = tensors.get(name)
  if (tensor === undefined) throw new Error(`no tensor ${name}`)
  const data = tensor.data.slice()
  edit(data)
  return { graph, tensors: new Map([...tensors, [name, { shape: tensor.shape, data }]]) }
}

const plain = network(conv('c1', 'in'), relu('r1', 'c1'), conv('c2', 'r1', 3), relu('r2', 'c2'))

test('a network does not differ from itself', () => {
  const diff = diffNetworks(plain, plain)
  expect(diff).toMatchObject({ same: true, removed: [], added: [], changed: [], tensorsAdded: [], tensorsRemoved: [] })
  expect(diff.masks).toEqual([
    { a: 'r1', b: 'r1', keptA: 32, keptB: 32, differing: 0, positions: 32 },
    { a: 'r2', b: 'r2', keptA: 48, keptB: 48, differing: 0, positions: 48 },
  ])
  expect(diff.tensors.map(({ a, largest }) => [a, largest])).toEqual([
    ['c1.bias', 0],
    ['c1.weight', 0],
    ['c2.bias', 0],
    ['c2.weight', 0],
  ])
})

test('counts the positions of masks and measures weights', () => {
  let other = edited(plain, 'r1.mask', (data) => data.fill(0, 3, 8))
  other = edited(other, 'c2.weight', (data) => {
    data[1] -= 0.5
    data[7] += 0.25
  })
  const { same, masks, tensors } = diffNetworks(plain, other)
  expect(same).toBe(false)
  expect(masks[0]).toEqual({ a: 'r1', b: 'r1', keptA: 32, keptB: 27, differing: 5, positions: 32 })
  // As many are kept, in other places.
  const moved = edited(other, 'r1.mask', (data) => {
    data[3] = 1
    data[9] = 0
  })
  expect(diffNetworks(other, moved).masks[0]).toMatchObject({ keptA: 27, keptB: 27, differing: 2 })
  expect(masks[1].differing).toBe(0)
  expect(tensors.filter(({ largest }) => largest !== 0)).toEqual([
    expect.objectContaining({ a: 'c2.weight', b: 'c2.weight', largest: expect.closeTo(0.5, 6) as number }),
  ])
})

test('a mask of channels or none at all is laid over the same positions', () => {
  const channel: Network = {
    graph: {
      ...plain.graph,
      nodes: plain.graph.nodes.map((n) => (n.id === 'r1' && n.op === 'relu' ? { ...n, mask: 'channel' } : n)),
    },
    tensors: new Map([...plain.tensors, ['r1.mask', { shape: [2], data: Uint8Array.of(1, 0) }]]),
  }
  const diff = diffNetworks(plain, channel)
  expect(diff.changed).toEqual([{ a: 'r1', b: 'r1', fields: [{ field: 'mask', a: 'element', b: 'channel' }] }])
  expect(diff.masks[0]).toEqual({ a: 'r1', b: 'r1', keptA: 32, keptB: 16, differing: 16, positions: 32 })
  const none = {
    ...plain.graph,
    nodes: plain.graph.nodes.map((n) => (n.op === 'relu' ? { ...n, mask: 'none' as const } : n)),
  }
  expect(diffNetworks(plain, { graph: none, tensors: plain.tensors })).toMatchObject({ same: true })
})

test('other names are paired by operation and shape, and change nothing else', () => {
  const name = (id: string): string => (id === 'in' ? 'in' : `x.${id}`)
  const nodes = plain.graph.nodes.map((node) => ({ ...node, id: name(node.id), inputs: node.inputs.map(name) }))
  const tensors = new Map([...plain.tensors].map(([key, tensor]) => [name(key), tensor]))
  const diff = diffNetworks(plain, { graph: { name: 'n', nodes }, tensors })
  expect(diff).toMatchObject({ same: true, removed: [], added: [] })
  expect(diff.changed).toEqual(
    ['c1', 'r1', 'c2', 'r2'].map((id) => ({ a: id, b: `x.${id}`, fields: [{ field: 'id', a: id, b: `x.${id}` }] })),
  )
  expect(diff.tensors.every(({ b, largest }) => b.startsWith('x.') && largest === 0)).toBe(true)
})

test('nodes that were added, removed or given other numbers', () => {
  const other = network(conv('c1', 'in', 4), relu('new', 'c1'), relu('r1', 'new'), conv('c2', 'r1', 3))
  const diff = diffNetworks(plain, other)
  // 'r2' has 3 channels and 'new' has 4: not a pair.
  expect(diff.removed).toEqual([{ id: 'r2', op: 'relu', shape: [3, 4, 4] }])
  expect(diff.added).toEqual([{ id: 'new', op: 'relu', shape: [4, 4, 4] }])
  expect(diff.changed).toEqual([
    { a: 'c1', b: 'c1', fields: [{ field: 'outChannels', a: 2, b: 4 }] },
    { a: 'r1', b: 'r1', fields: [{ field: 'inputs', a: ['c1'], b: ['new'] }] },
  ])
  expect(diff.masks).toEqual([{ a: 'r1', b: 'r1', keptA: 32, keptB: 64, differing: null, positions: 32 }])
  expect(diff.tensors.find(({ a }) => a === 'c1.weight')).toMatchObject({ largest: null, shapeB: [4, 1, 3, 3] })
  const back = diffNetworks(other, plain)
  expect([back.removed, back.added]).toEqual([diff.added, diff.removed])
})

test('a bias that only one has', () => {
  const bare = network({ ...conv('c1', 'in'), bias: false } as GraphNode)
  const diff = diffNetworks(network(conv('c1', 'in')), bare)
  expect(diff).toMatchObject({ same: false, tensorsRemoved: ['c1.bias'], tensorsAdded: [] })
  expect(diff.changed[0].fields).toEqual([{ field: 'bias', a: true, b: false }])
})

test('the common subsequence is one, and none is longer', () => {
  const word = fc.array(fc.constantFrom('a', 'b', 'c'), { maxLength: 8 })
  /** All subsequences of a, tried on b. */
  const longest = (a: readonly string[], b: readonly string[]): number => {
    let most = 0
    for (let bits = 0; bits < 1 << a.length; bits++) {
      const some = a.filter((_, i) => (bits >> i) & 1)
      let at = 0
      for (const letter of b) if (letter === some[at]) at++
      if (at === some.length) most = Math.max(most, at)
    }
    return most
  }
  fc.assert(
    fc.property(word, word, (a, b) => {
      const pairs = longestCommon(a, b)
      expect(pairs.every(([i, j]) => a[i] === b[j])).toBe(true)
      for (const k of [0, 1]) expect(pairs.every((pair, n) => n === 0 || pairs[n - 1][k] < pair[k])).toBe(true)
      expect(pairs).toHaveLength(longest(a, b))
    }),
  )
})

test('of models in the catalog', async () => {
  await using folder = await temporaryFolder()
  await withZoo(join(folder.dir, 'data'), async (zoo) => {
    const bring = async (name: string, seed: number): Promise<string> => {
      await writeModel(join(folder.dir, name), { ...tinyModel(seed), card: { ...CARD, name } })
      return (await importModel(zoo, join(folder.dir, name))).id
    }
    const [a, b] = [await bring('a', 1), await bring('b', 2)]
    const diff = await diffGraphs(zoo, a, b)
    expect(diff).toMatchObject({ a: { id: a, name: 'a' }, b: { id: b, name: 'b' }, same: false, changed: [] })
    const [one, other] = [tinyModel(1).tensors, tinyModel(2).tensors]
    for (const { a: name, largest } of diff.tensors) {
      const values = Array.from(one.get(name)?.data ?? [], (x, i) => Math.abs(x - (other.get(name)?.data[i] ?? NaN)))
      expect(largest).toBe(Math.max(...values))
    }
    expect(await diffGraphs(zoo, a, a)).toMatchObject({ same: true })
    await expect(diffGraphs(zoo, a, 'nosuch')).rejects.toMatchObject({ code: 'model-not-found' })
  })
})
