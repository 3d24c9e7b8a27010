import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { architecture } from '../../core/architectures/index.ts'
import { readModel, writeModel, type Card, type Model } from '../../core/formats/model-directory.ts'
import { readSafetensors, writeSafetensors } from '../../core/formats/safetensors.ts'
import { randomMasks, randomTensors } from '../../core/network/tensors.ts'
import { prg } from './network-helpers.ts'

const card: Card = {
  name: 'Tiny digits',
  dataset: 'none',
  classes: 3,
  classNames: ['a', 'b', 'c'],
  preprocessing: { mean: [0.5], std: [0.25], invert: true },
  licence: 'CC0-1.0',
  accuracy: { top1: 0.5, images: 10 },
  training: { epochs: 1, summary: 'none' },
}

function model(): Model {
  const { graph, masks } = randomMasks(architecture('lenet-tiny', { classes: 3 }), 0.5, prg(1))
  return { graph, tensors: new Map([...randomTensors(graph, prg(2)), ...masks]), card }
}

let dir = ''
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'adyton-model-'))
})
afterEach(async () => {
  await rm(dir, { recursive: true, force: true })
})

async function edit(file: string, change: (json: Record<string, unknown>) => void): Promise<void> {
  const json = JSON.parse(await readFile(join(dir, file), 'utf8')) as Record<string, unknown>
  change(json)
  await writeFile(join(dir, file), JSON.stringify(json))
}

describe('model folders', () => {
  it('round-trip, and leave no temporary files', async () => {
    const made = model()
    await writeModel(join(dir, 'new'), made)
    const back = await readModel(join(dir, 'new'))
    expect(back.graph).toEqual(made.graph)
    expect(back.card).toEqual(card)
    expect(new Map(back.tensors)).toEqual(made.tensors)
    expect((await readdir(join(dir, 'new'))).sort()).toEqual(['card.json', 'graph.json', 'weights.safetensors'])
  })

  it('hold only the tensors that the graph names', async () => {
    const made = model()
    const tensors = new Map(made.tensors).set('other.weight', { shape: [1], data: Float32Array.of(1) })
    await writeModel(dir, { ...made, tensors })
    expect((await readModel(dir)).tensors.has('other.weight')).toBe(false)
  })

  it('missing files are named', async () => {
    await expect(readModel(dir)).rejects.toMatchObject({
      code: 'file-not-found',
      message: expect.stringContaining('graph.json') as string,
    })
  })

  it('refuse a card that is wrong, naming the field', async () => {
    await writeModel(dir, model())
    await edit('card.json', (json) => (json.licence = 7))
    await expect(readModel(dir)).rejects.toMatchObject({
      code: 'file-corrupt',
      message: expect.stringMatching(/card\.json: licence/) as string,
    })
  })

  it.each<[string, Partial<Card>, RegExp]>([
    ['another number of classes', { classes: 4 }, /4 classes.*3 outputs/],
    ['too few names', { classNames: ['a'] }, /names 1 of 3/],
    ['another number of channels', { preprocessing: { mean: [0, 0], std: [1, 1], invert: false } }, /2 and 2 channels/],
  ])('refuse a card with %s', async (_, fields, message) => {
    await expect(writeModel(dir, { ...model(), card: { ...card, ...fields } })).rejects.toMatchObject({
      code: 'model-invalid',
      message: expect.stringMatching(message) as string,
    })
  })

  it('refuse weights that do not fit the graph, naming the tensor', async () => {
    await writeModel(dir, model())
    const path = join(dir, 'weights.safetensors')
    const { tensors } = readSafetensors(await readFile(path))
    tensors.set('fc.bias', { shape: [2], data: Float32Array.of(1, 2) })
    await writeFile(path, writeSafetensors(tensors))
    await expect(readModel(dir)).rejects.toMatchObject({
      code: 'model-invalid',
      message: expect.stringContaining("'fc.bias'") as string,
    })
  })

  it('refuse weights that are not finite, naming the tensor', async () => {
    await writeModel(dir, model())
    const path = join(dir, 'weights.safetensors')
    const { tensors } = readSafetensors(await readFile(path))
    const [bias] = [...tensors].filter(([name]) => name === 'fc.bias')
    bias[1].data[1] = NaN
    await writeFile(path, writeSafetensors(tensors))
    await expect(readModel(dir)).rejects.toMatchObject({
      code: 'model-invalid',
      message: "tensor 'fc.bias': expected finite numbers, got NaN at index 1",
    })
  })

  it('refuse a mask with another number than 0 and 1', async () => {
    const made = model()
    const tensors = new Map(made.tensors)
    tensors.set('relu3.mask', { shape: [16], data: new Uint8Array(16).fill(2) })
    await expect(writeModel(dir, { ...made, tensors })).rejects.toMatchObject({
      code: 'model-invalid',
      message: expect.stringContaining("'relu3.mask'") as string,
    })
  })
})
