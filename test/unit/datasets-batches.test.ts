import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, truncateSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openBatches, openEvaluation, type Batch, type StreamOptions } from '../../core/datasets/batches.ts'
import { openDataset, type Part } from '../../core/datasets/dataset.ts'
import { holdOut, readImages } from '../../core/datasets/part.ts'
import { Draws } from '../../core/datasets/random.ts'
import { rejection, writeCifar10 } from './datasets-helpers.ts'
import { failing } from '../fixtures/errors.ts'

const root = mkdtempSync(path.join(tmpdir(), 'adyton-batches-'))
afterAll(() => rmSync(root, { recursive: true, force: true }))

let part: Part
beforeAll(async () => {
  part = (await openDataset('generated', { generated: { train: 50, test: 10, side: 12 } })).parts.train
})

const normalisation = { mean: [0.5, 0.4, 0.3], std: [0.2, 0.3, 0.4] }
const AUGMENTED = { size: 16, seed: 5, shuffle: true, flip: true, crop: 2, normalisation } as const

async function all(options: StreamOptions, from = part): Promise<Batch[]> {
  const out: Batch[] = []
  for await (const batch of openBatches(from, options)) out.push(batch)
  return out
}

describe('batches', () => {
  test('without augmentation are the images as NHWC floats, in order, the last one short', async () => {
    const batches = await all({ size: 16, normalisation, epochs: 1 })
    expect(batches.map(({ epoch, step, count }) => [epoch, step, count])).toEqual([
      [0, 0, 16],
      [0, 1, 16],
      [0, 2, 16],
      [0, 3, 2],
    ])
    const bytes = await readImages(part)
    for (const { images, labels, records, count } of batches) {
      expect([images.length, labels.length, records.length]).toEqual([count * 432, count, count])
      for (let i = 0; i < count; i++) {
        expect(labels[i]).toBe(part.labels[records[i]])
        for (const [y, x, c] of [
          [0, 0, 0],
          [11, 3, 1],
          [5, 11, 2],
        ]) {
          const byte = bytes[records[i] * 432 + c * 144 + y * 12 + x]
          const expected = (byte / 255 - normalisation.mean[c]) / normalisation.std[c]
          expect(images[i * 432 + (y * 12 + x) * 3 + c]).toBeCloseTo(expected, 5)
        }
      }
    }
    expect(batches.flatMap(({ records }) => [...records])).toEqual(Array.from({ length: 50 }, (_, i) => i))
    expect((await all({ size: 16, dropLast: true, epochs: 2 })).map(({ count }) => count)).toEqual(Array(6).fill(16))
  })

  test('are the same from the worker and from this thread, however slowly they are taken', async () => {
    const direct = await all({ ...AUGMENTED, epochs: 2, depth: 0 })
    expect(direct.length).toBe(8)
    expect(await all({ ...AUGMENTED, epochs: 2, depth: 3 })).toEqual(direct)
    const slow: Batch[] = []
    for await (const batch of openBatches(part, { ...AUGMENTED, epochs: 2, depth: 1 })) {
      await sleep(slow.length % 3 === 0 ? 15 : 0)
      slow.push(batch)
    }
    expect(slow).toEqual(direct)
    expect((await all({ ...AUGMENTED, seed: 6, epochs: 2, depth: 0 }))[0].images).not.toEqual(direct[0].images)
  })

  test('every epoch has every record once, in another order', async () => {
    const batches = await all({ ...AUGMENTED, epochs: 3, depth: 0 })
    const orders = [0, 1, 2].map((epoch) =>
      batches.filter((batch) => batch.epoch === epoch).flatMap(({ records }) => [...records]),
    )
    for (const order of orders) {
      expect([...order].sort((a, b) => a - b)).toEqual(Array.from({ length: 50 }, (_, i) => i))
    }
    expect(orders[0]).not.toEqual(orders[1])
    expect(orders[1]).not.toEqual(orders[2])
  })

  test('the same records are augmented otherwise in another step and another epoch', async () => {
    const subset = Uint32Array.from({ length: 20 }, (_, i) => i % 10)
    const batches = await all({ size: 10, subset, seed: 1, flip: true, crop: 2, epochs: 2, depth: 0 })
    expect(batches.map(({ records }) => [...records])).toEqual(Array(4).fill([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]))
    for (const [i, { images }] of batches.entries()) {
      for (const other of batches.slice(i + 1)) expect(images).not.toEqual(other.images)
    }
  })

  test('go on from any place', async () => {
    const direct = await all({ ...AUGMENTED, epochs: 3, depth: 0 })
    for (const [start, first] of [
      [{ epoch: 0, step: 3 }, 3],
      [{ epoch: 2, step: 1 }, 9],
    ] as const) {
      expect(await all({ ...AUGMENTED, epochs: 3, start, depth: 2 })).toEqual(direct.slice(first))
    }
    const stream = openBatches(part, { ...AUGMENTED, depth: 2 })
    expect([stream.stepsPerEpoch, stream.position]).toEqual([4, { epoch: 0, step: 0 }])
    for (let i = 0; i < 5; i++) await stream.next()
    expect(stream.position).toEqual({ epoch: 1, step: 1 })
    await stream.close()
    const again = openBatches(part, { ...AUGMENTED, start: stream.position, depth: 2 })
    expect((await again.next()).value).toEqual(direct[5])
    await again.close()
  })

  test('several that are asked for at once come in order', async () => {
    const stream = openBatches(part, { ...AUGMENTED, depth: 2 })
    const steps = await Promise.all(Array.from({ length: 6 }, () => stream.next()))
    expect(steps.map(({ value }) => [value?.epoch, value?.step])).toEqual([
      [0, 0],
      [0, 1],
      [0, 2],
      [0, 3],
      [1, 0],
      [1, 1],
    ])
    await stream.close()
    expect(await stream.next()).toEqual({ done: true, value: undefined })
  })

  test('belong to whoever took them', async () => {
    const [first] = await all({ ...AUGMENTED, epochs: 1, depth: 2 })
    first.images.fill(7)
    const [again] = await all({ ...AUGMENTED, epochs: 1, depth: 2 })
    expect(again.images.every((value) => value === 7)).toBe(false)
  })

  test('of a subset have nothing else; evaluation sees all of it once', async () => {
    const subset = Uint32Array.of(3, 4, 30, 41, 42)
    const batches = await all({ size: 2, subset, shuffle: true, epochs: 2 })
    expect(batches.length).toBe(6)
    expect(new Set(batches.flatMap(({ records }) => [...records]))).toEqual(new Set(subset))
    const seen: number[] = []
    for await (const { records } of openEvaluation(part, { size: 7 })) seen.push(...records)
    expect(seen).toEqual(Array.from({ length: 50 }, (_, i) => i))
  })

  test.each([0, 2])('that cannot be read name file and record; %i ahead', async (depth) => {
    const folder = path.join(root, `cifar-${depth}`)
    writeCifar10(folder)
    const { parts } = await openDataset(folder)
    truncateSync(path.join(folder, 'data_batch_4.bin'), 3073)
    const stream = openBatches(parts.train, { size: 5, depth })
    expect((await stream.next()).value?.count).toBe(5)
    await stream.next()
    const error = await rejection(stream.next())
    expect(error).toEqual(failing('file-corrupt', /data_batch_4\.bin: ends in record 1/))
    expect(await rejection(stream.next())).toBe(error)
  })

  test.each([0, 2])('end when they are cancelled; %i ahead', async (depth) => {
    const controller = new AbortController()
    const stream = openBatches(part, { ...AUGMENTED, depth, signal: controller.signal })
    await stream.next()
    controller.abort()
    expect((await rejection(stream.next())).code).toBe('cancelled')
    const late = openBatches(part, { ...AUGMENTED, depth, signal: controller.signal })
    expect((await rejection(late.next())).code).toBe('cancelled')
  })

  test('refuse impossible options', async () => {
    for (const options of [
      { size: 0 },
      { size: 2.5 },
      { size: 4, crop: 12 },
      { size: 4, depth: 65 },
      { size: 4, subset: Uint32Array.of(50) },
      { size: 4, start: { epoch: 0, step: 13 } },
      { size: 4, mix: { kind: 'mixup', alpha: 0 } },
      { size: 4, normalisation: { mean: [0], std: [1] } },
    ] as const) {
      expect(() => openBatches(part, options)).toThrow(RangeError)
    }
    expect(() => openBatches(part, { size: 64, dropLast: true })).toThrow(/50 images make no batch of 64/)
  })

  test('that nobody waits for do not keep a program alive', () => {
    const modules = fileURLToPath(new URL('../../core/datasets', import.meta.url))
    const program = `
      const { openBatches } = await import(${JSON.stringify(path.join(modules, 'batches.ts'))})
      const { generatedDataset } = await import(${JSON.stringify(path.join(modules, 'generated.ts'))})
      const { parts } = await generatedDataset({ train: 20, test: 10, side: 8 })
      const stream = openBatches(parts.train, { size: 4 })
      console.log((await stream.next()).value.count)`
    const { status, stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', program], {
      timeout: 30_000,
      encoding: 'utf8',
    })
    expect({ status, stdout, stderr }).toEqual({ status: 0, stdout: '4\n', stderr: '' })
  })
})

describe('mixed batches', () => {
  test('mixup blends each image with that of its other label', async () => {
    const plain = await all({ size: 50, epochs: 1, depth: 0 })
    const [mixed] = await all({ size: 50, epochs: 1, depth: 1, mix: { kind: 'mixup', alpha: 0.5 } })
    const { mix, labels, images } = mixed
    if (mix === undefined) throw new Error('not mixed')
    expect(mix.share).toBeGreaterThanOrEqual(0)
    expect(mix.share).toBeLessThanOrEqual(1)
    expect([...labels]).toEqual([...plain[0].labels])
    const image = (i: number, from = plain[0].images) => from.subarray(i * 432, (i + 1) * 432)
    for (let i = 0; i < 50; i++) {
      // Some image of the other label explains all pixels.
      const found = Array.from({ length: 50 }, (_, other) => other).some(
        (other) =>
          labels[other] === mix.labels[i] &&
          image(i, images).every(
            (value, at) => Math.abs(value - mix.share * image(i)[at] - (1 - mix.share) * image(other)[at]) < 1e-5,
          ),
      )
      expect(found).toBe(true)
    }
  })

  test('cutmix replaces one rectangle, whose area is what the share leaves', async () => {
    for (let seed = 0; seed < 8; seed++) {
      const options = { size: 50, epochs: 1, depth: 0, seed } as const
      const [plain] = await all(options)
      const [{ images, mix }] = await all({ ...options, mix: { kind: 'cutmix', alpha: 1 } })
      const changed = new Set<number>()
      images.forEach((value, at) => value !== plain.images[at] && changed.add(Math.floor((at % 432) / 3)))
      const rows = new Set([...changed].map((at) => Math.floor(at / 12)))
      const columns = new Set([...changed].map((at) => at % 12))
      expect(changed.size).toBe(rows.size * columns.size)
      expect(1 - (mix?.share ?? NaN)).toBeCloseTo(changed.size / 144, 10)
    }
  })
})

describe('what is drawn', () => {
  test('has the moments of its distribution', () => {
    const draws = new Draws('moments', 'test')
    const sample = (draw: () => number) => {
      const values = Array.from({ length: 20_000 }, draw)
      const mean = values.reduce((sum, value) => sum + value, 0) / values.length
      return [mean, values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length]
    }
    // Mean and variance; tolerances are above five standard errors.
    for (const [draw, mean, variance] of [
      [() => draws.unit(), 1 / 2, 1 / 12],
      [() => draws.normal(), 0, 1],
      [() => draws.gamma(2.5), 2.5, 2.5],
      [() => draws.gamma(0.3), 0.3, 0.3],
      [() => draws.beta(0.4, 0.4), 0.5, 0.25 / 1.8],
      [() => draws.below(7), 3, 4],
    ] as const) {
      const [m, v] = sample(draw)
      expect(Math.abs(m - mean)).toBeLessThan(5 * Math.sqrt(variance / 20_000))
      expect(Math.abs(v - variance)).toBeLessThan(0.12 * variance)
    }
  })

  test('follows from seed and label', () => {
    const first = (seed: number | string | Uint8Array, label: string) => new Draws(seed, label).u32()
    expect(first(1, 'a')).toBe(first(1, 'a'))
    const others = [first(1, 'a'), first(2, 'a'), first(1, 'b'), first('1', 'a'), first(Uint8Array.of(1), 'a')]
    expect(new Set(others).size).toBe(5)
    expect(() => first(1.5, 'a')).toThrow(RangeError)
  })
})

describe('holdOut', () => {
  test('sets aside the same share of each class', () => {
    const { kept, held } = holdOut(part, 0.2, 1)
    expect([...kept, ...held].sort((a, b) => a - b)).toEqual(Array.from({ length: 50 }, (_, i) => i))
    for (let label = 0; label < 10; label++) expect(held.filter((r) => part.labels[r] === label).length).toBe(1)
    expect(holdOut(part, 0.2, 1).held).toEqual(held)
    expect(holdOut(part, 0.2, 2).held).not.toEqual(held)
  })
})
