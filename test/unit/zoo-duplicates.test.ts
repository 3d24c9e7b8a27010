import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { writeModel, type Model } from '../../core/formats/model-directory.ts'
import { float16From, float16To } from '../../core/formats/float16.ts'
import { writeSafetensors } from '../../core/formats/safetensors.ts'
import type { GraphNode, Tensor } from '../../core/network/graph.ts'
import { randomTensors } from '../../core/network/tensors.ts'
import { Prg } from '../../core/ring/prg.ts'
import { duplicatesOf, type Kinship } from '../../core/zoo/duplicates.ts'
import { importModel } from '../../core/zoo/import.ts'
import { hashNetwork } from '../../core/zoo/network-hash.ts'
import { showModel } from '../../core/zoo/show.ts'
import { trashModels } from '../../core/zoo/trash.ts'
import { openZoo, type Zoo } from '../../core/zoo/zoo.ts'
import { CARD, insertRow, temporaryFolder, tinyModel } from '../fixtures/zoo.ts'

let folder: Awaited<ReturnType<typeof temporaryFolder>>
let zoo: Zoo
beforeEach(async () => {
  folder = await temporaryFolder()
  zoo = await openZoo(join(folder.dir, 'data'))
})
afterEach(async () => {
  zoo.close()
  await folder[Symbol.asyncDispose]()
})

let made = 0
async function bring(model: Model, options: { half?: boolean; metadata?: string } = {}): Promise<string> {
  const path = join(folder.dir, `model${++made}`)
  await writeModel(path, model, options.half === true ? { half: true } : {})
  if (options.metadata !== undefined) {
    const bytes = writeSafetensors(model.tensors, { metadata: { by: options.metadata } })
    await writeFile(join(path, 'weights.safetensors'), bytes)
  }
  return (await importModel(zoo, path)).id
}

/** The tensors with some of them changed. */
function changed(model: Model, change: (name: string, data: Tensor['data']) => Tensor['data']): Model {
  const tensors = [...model.tensors].map(
    ([name, { shape, data }]) => [name, { shape, data: change(name, data) }] as const,
  )
  return { ...model, tensors: new Map(tensors) }
}

/** Other names for all nodes, and for their tensors. */
function renamed({ graph, tensors, card }: Model): Model {
  const name = (id: string): string => `layer_of_${id}`
  const nodes = graph.nodes.map((node) => ({ ...node, id: name(node.id), inputs: node.inputs.map(name) }))
  return {
    graph: { name: 'another name', nodes },
    tensors: new Map([...tensors].map(([key, tensor]) => [name(key), tensor])),
    card,
  }
}

const rounded = (model: Model): Model =>
  changed(model, (_, data) => (data instanceof Float32Array ? float16To(float16From(data)) : data))
/** The same number of kept ReLUs, or one less. */
const remasked = (model: Model, less: boolean): Model =>
  changed(model, (name, data) => {
    if (!name.endsWith('.mask')) return data
    const copy = Uint8Array.from(data)
    const [on, off] = [copy.indexOf(1), copy.indexOf(0)]
    copy[on] = 0
    if (!less) copy[off] = 1
    return copy
  })
/** One weight is another number, beyond what the sample sees. */
const nudged = (model: Model, by: number): Model =>
  changed(model, (name, data) => {
    if (!(data instanceof Float32Array) || !name.endsWith('.weight')) return data
    const copy = Float32Array.from(data)
    copy[copy.length - 1] += by
    return copy
  })

async function pair(first: Model, second: Model, options = {}): Promise<Kinship | null> {
  const ids = [await bring(first), await bring(second, options)]
  const { groups } = duplicatesOf(zoo)
  if (groups.length === 0) return null
  expect(groups).toHaveLength(1)
  expect(groups[0].models.map(({ id, kinship }) => [id, kinship])).toEqual([
    [ids[0], null],
    [ids[1], groups[0].kinship],
  ])
  return groups[0].kinship
}

describe('kinship', () => {
  const model = tinyModel(1)

  test.each<[string, Kinship | null, Model, Model, { half?: boolean; metadata?: string }]>([
    ['another card', 'same-files', model, { ...model, card: { ...CARD, name: 'other' } }, {}],
    ['other metadata in the weights file', 'same-network', model, model, { metadata: 'somebody' }],
    ['other names', 'same-network', model, renamed(model), {}],
    ['other masks, as many ReLUs', 'masks-differ', model, remasked(model, false), {}],
    ['fewer ReLUs', 'masks-differ', model, remasked(model, true), {}],
    ['weights stored as float16', 'rounded', model, model, { half: true }],
    ['weights of float16 in a file of float32', 'rounded', model, rounded(model), {}],
    ['one weight that is another in float32 only', 'rounded', rounded(model), nudged(rounded(model), 1e-7), {}],
    ['float16 and other masks and names', 'rounded-masks', model, renamed(remasked(model, true)), { half: true }],
    ['other weights', null, model, tinyModel(2), {}],
    ['one weight that is another', null, model, nudged(model, 0.01), {}],
  ])('%s: %s', async (_, kinship, first, second, options) => {
    expect(await pair(first, second, options)).toBe(kinship)
  })

  test('the same weights file under another graph', async () => {
    const nodes = model.graph.nodes.map((node): GraphNode => {
      if (node.op === 'averagePool') return { ...node, op: 'maxPool' }
      return node.op === 'maxPool' ? { ...node, op: 'averagePool' } : node
    })
    expect(nodes).not.toEqual(model.graph.nodes)
    expect(await pair(model, { ...model, graph: { ...model.graph, nodes } })).toBe('same-weights')
  })
})

test('a mask of ones is the same as none', async () => {
  const { graph, tensors, card } = tinyModel()
  const open = changed({ graph, tensors, card }, (name, data) => (name.endsWith('.mask') ? data.map(() => 1) : data))
  const nodes = graph.nodes.map((node) => (node.op === 'relu' ? { ...node, mask: 'none' as const } : node))
  const bare = new Map([...tensors].filter(([name]) => !name.endsWith('.mask')))
  expect(await pair(open, { graph: { ...graph, nodes }, tensors: bare, card })).toBe('same-network')
})

test('groups hold all their models, the oldest first, each with its own kinship to it', async () => {
  const model = tinyModel(1)
  const other = tinyModel(2)
  const a = await bring(model)
  const x = await bring(other)
  const b = await bring(model, { half: true })
  const c = await bring({ ...model, card: { ...CARD, licence: 'MIT' } })
  const y = await bring(renamed(other))
  await bring(tinyModel(3))
  trashModels(zoo, [await bring(model)])
  insertRow(zoo, { name: 'without files' })
  const found = duplicatesOf(zoo)
  expect(found.groups.map(({ kinship, models }) => [kinship, models.map((one) => [one.id, one.kinship])])).toEqual([
    [
      'rounded',
      [
        [a, null],
        [b, 'rounded'],
        [c, 'same-files'],
      ],
    ],
    [
      'same-network',
      [
        [x, null],
        [y, 'same-network'],
      ],
    ],
  ])
  // The third model is told apart by its sample.
  expect(found).toMatchObject({ models: 6, read: 4, unreadable: [] })
})

test('files are only read where counts leave it open', async () => {
  const a = await bring(tinyModel(1))
  const weights = showModel(zoo, a).files.find(({ role }) => role === 'weights')?.sha256 as string
  await writeFile(zoo.files.path(weights), 'damaged')
  // Alone with its counts: nothing looks at it.
  expect(duplicatesOf(zoo)).toEqual({ groups: [], models: 1, read: 0, unreadable: [] })
  await bring(tinyModel(2))
  const c = await bring(tinyModel(2))
  expect(duplicatesOf(zoo)).toMatchObject({
    groups: [{ kinship: 'same-files', models: [{}, { id: c }] }],
    read: 0,
    unreadable: [a],
  })
})

test('the hash follows the network, not the order in which it is written down', () => {
  const conv = (id: string, input: string): GraphNode => ({
    ...{
      id,
      inputs: [input],
      op: 'conv2d',
      outChannels: 2,
      kernel: [3, 3],
      stride: 1,
      padding: 1,
      groups: 1,
      bias: true,
    },
  })
  const input: GraphNode = { id: 'in', inputs: [], op: 'input', shape: [1, 4, 4] }
  const sum = (...inputs: string[]): GraphNode => ({ id: 'sum', inputs, op: 'add' })
  const cat = (...inputs: string[]): GraphNode => ({ id: 'sum', inputs, op: 'concat' })
  const [a, b] = [conv('a', 'in'), conv('b', 'in')]
  const tensors = randomTensors({ name: 'n', nodes: [input, a, b, sum('a', 'b')] }, new Prg(new Uint8Array(16)))
  const hash = (...nodes: GraphNode[]): string => hashNetwork({ name: 'n', nodes }, tensors).exact
  const first = hash(input, a, b, sum('a', 'b'))
  expect(hash(input, b, a, sum('a', 'b'))).toBe(first)
  expect(hash(input, a, b, sum('b', 'a'))).toBe(first)
  expect(hash(input, a, b, sum('a', 'a'))).not.toBe(first)
  expect(hash(input, a, b, cat('b', 'a'))).not.toBe(hash(input, a, b, cat('a', 'b')))
  expect(hash(input, a, conv('b', 'a'), sum('a', 'b'))).not.toBe(hash(input, conv('a', 'in'), b, sum('a', 'b')))
})
