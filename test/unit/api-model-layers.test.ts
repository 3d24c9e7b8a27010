/** A network layer by layer, its masks, images to choose from, and predictions for a network link. */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import sharp from 'sharp'
import * as v from 'valibot'
import { describe, expect, test } from 'vitest'
import { linkTime } from '../../core/api/data/link.ts'
import { operations } from '../../core/api/index.ts'
import type { Operation } from '../../core/api/operation.ts'
import { temporaryFolder, tinyModel, writeTiny } from '../fixtures/zoo.ts'
import { pixel, writeCifar10 } from './datasets-helpers.ts'

const context = { onProgress: () => undefined, onNotice: () => undefined, signal: new AbortController().signal }
const run = <O>(operation: Operation<v.GenericSchema, O>, input: unknown): Promise<O> =>
  operation.run(v.parse(operation.input, input), context)

async function raw(url: string): Promise<{ data: Buffer; width: number; height: number }> {
  expect(url.startsWith('data:image/png;base64,')).toBe(true)
  const image = sharp(Buffer.from(url.slice('data:image/png;base64,'.length), 'base64'))
  const { data, info } = await image.raw().toBuffer({ resolveWithObject: true })
  return { data, width: info.width, height: info.height }
}

describe('a model layer by layer', () => {
  test('counts by layer add up, kept ReLUs are those of the mask, and edges follow the graph', async () => {
    await using folder = await temporaryFolder()
    const source = { model: await writeTiny(folder.dir) }
    const { graph, tensors } = tinyModel()
    const { layers, edges, total, stages } = await run(operations.modelLayers, { source })
    expect(layers.map(({ id, kind }) => [id, kind])).toEqual(graph.nodes.map(({ id, op }) => [id, op]))
    for (const key of ['macs', 'params'] as const) {
      expect(layers.reduce((sum, layer) => sum + layer[key], 0)).toBe(total[key])
    }
    for (const { id, kind, relus, shape } of layers) {
      const mask = tensors.get(`${id}.mask`)?.data
      expect(relus.kept).toBe(mask === undefined ? 0 : [...mask].filter((kept) => kept === 1).length)
      expect(relus.total).toBe(kind === 'relu' ? shape.reduce((a, b) => a * b, 1) : 0)
    }
    expect(stages.reduce((sum, stage) => sum + stage.kept, 0)).toBe(total.kept)
    expect((await run(operations.describe, { source })).relus).toBe(total.kept)
    expect(edges).toHaveLength(graph.nodes.reduce((sum, node) => sum + node.inputs.length, 0))
    expect(edges[0]).toEqual({ from: graph.nodes[0].id, to: graph.nodes[1].id })
  })

  test('a mask is drawn pixel by pixel: the share of channels that keep their ReLU there', async () => {
    await using folder = await temporaryFolder()
    const source = { model: await writeTiny(folder.dir) }
    const { graph, tensors } = tinyModel()
    const node = graph.nodes.find(({ op }) => op === 'relu')
    const mask = tensors.get(`${node?.id}.mask`)
    if (mask === undefined) throw new Error('the tiny model has masks')
    const [channels, height, width] = mask.shape
    const found = await run(operations.modelMask, { source, layer: node?.id })
    expect(found).toMatchObject({ channels, height, width, total: mask.data.length })
    const { data, ...size } = await raw(found.picture)
    expect(size).toEqual({ width, height })
    for (let y = 0; y < height; y++)
      for (let x = 0; x < width; x++) {
        let kept = 0
        for (let c = 0; c < channels; c++) kept += mask.data[(c * height + y) * width + x]
        expect(found.share[y][x]).toBeCloseTo(kept / channels, 5)
        // The more are kept, the darker: red goes from 255 to 8.
        expect(Math.abs(data[3 * (y * width + x)] - (255 - (247 * kept) / channels))).toBeLessThanOrEqual(1)
      }
    await expect(run(operations.modelMask, { source, layer: 'no-such' })).rejects.toMatchObject({ code: 'usage' })
  })
})

describe('images of a data set', () => {
  test('are shown pixel for pixel, with labels, up to the end of the part', async () => {
    await using folder = await temporaryFolder()
    const path = join(folder.dir, 'cifar-10-batches-bin')
    mkdirSync(path)
    writeCifar10(path)
    const found = await run(operations.datasetImages, { folder: path, split: 'train', from: 13, count: 100 })
    expect(found).toMatchObject({ name: 'CIFAR-10', count: 15, shape: [3, 32, 32] })
    expect(found.images.map(({ index, label, name }) => [index, label, name])).toEqual([
      [13, 3, 'cat'],
      [14, 4, 'deer'],
    ])
    // Image 13 is record 1 of file 5.
    const { data, ...size } = await raw(found.images[0].picture)
    expect(size).toEqual({ width: 32, height: 32 })
    const expected = Buffer.from(
      Array.from({ length: 3072 }, (_, i) => pixel(5, 1, (i % 3) * 1024 + Math.floor(i / 3))),
    )
    expect(data.equals(expected)).toBe(true)
    const past = run(operations.datasetImages, { folder: path, split: 'test', from: 2, count: 1 })
    await expect(past).rejects.toMatchObject({ code: 'usage' })
  })

  test('are at most a hundred', () => {
    const asked = v.safeParse(operations.datasetImages.input, { folder: 'generated', split: 'test', count: 101 })
    expect(asked.success).toBe(false)
  })
})

test('a prediction for a link of one’s own is what the helper gives, and the LAN is faster than the WAN', async () => {
  const link = { up: 10e6, down: 50e6, rttMs: 20 }
  const { costs } = await run(operations.describe, { source: { model: 'digits' }, costs: true, link })
  if (costs === undefined) throw new Error('costs were asked for')
  const { phases, links, bytes } = costs
  const { clientToServer, serverToClient } = bytes.online
  expect(links.own?.online).toBeCloseTo(
    phases.online.workMs / 1000 + linkTime(clientToServer, serverToClient, phases.online.rounds, link),
    9,
  )
  expect(links.lan.online).toBeLessThan(links.wan.online)
  // Two pools and a ReLU are garbled; asking for a package and ending take a turn each online.
  expect(phases.online.rounds).toBe(3 + 2)
})
