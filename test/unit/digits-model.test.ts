/** The bundled digits model does what its card says, by a run that shares no code with the trainer. */
import { existsSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import sharp from 'sharp'
import { describe, expect, test } from 'vitest'
import { imageToDigit } from '../../core/datasets/image.ts'
import { loadMnist, MNIST_PIXELS } from '../../core/datasets/mnist.ts'
import { readModel } from '../../core/formats/model-directory.ts'
import { countNetwork } from '../../core/network/counts.ts'
import { floatRunner } from '../../core/network/float.ts'
import { digitsGraph } from '../../core/training/digits/network.ts'

const model = await readModel(fileURLToPath(new URL('../../resources/models/digits', import.meta.url)))
const run = floatRunner(model.graph, model.tensors)

const classOf = (image: Float32Array) => {
  const { logits } = run(image)
  return logits.indexOf(Math.max(...logits))
}

test('is the network that the trainer describes, with 10,340 ReLUs', () => {
  expect(model.graph).toEqual(digitsGraph())
  expect(countNetwork(model.graph).relus).toBe(24 * 24 * 16 + 8 * 8 * 16 + 100)
})

const datasets = process.env.ADYTON_DATASETS ?? fileURLToPath(new URL('../../../shared/datasets', import.meta.url))
const mnist = path.join(datasets, 'mnist-10k')

describe.skipIf(!existsSync(mnist))('on MNIST (skipped unless ADYTON_DATASETS or ../shared/datasets has it)', () => {
  test('is as accurate as its card says, and at least 98.5 %', () => {
    const { images, labels, count } = loadMnist(mnist, 'test')
    let right = 0
    for (let index = 0; index < count; index++) {
      const pixels = images.subarray(index * MNIST_PIXELS, (index + 1) * MNIST_PIXELS)
      if (classOf(Float32Array.from(pixels, (value) => value / 255)) === labels[index]) right++
    }
    expect(model.card.accuracy?.images).toBe(count)
    // One image may fall the other way: the trainer sums in float32, this run in float64.
    expect(Math.abs(right / count - (model.card.accuracy?.top1 ?? 0))).toBeLessThan(1.5 / count)
    expect(right / count).toBeGreaterThanOrEqual(0.985)
  })

  test('knows digits from pictures of them: black ink on a larger white page', async () => {
    const { images, labels } = loadMnist(mnist, 'test')
    let right = 0
    for (let index = 0; index < 100; index++) {
      const ink = images.slice(index * MNIST_PIXELS, (index + 1) * MNIST_PIXELS).map((value) => 255 - value)
      const page = sharp(ink, { raw: { width: 28, height: 28, channels: 1 } })
        .resize(140, 140)
        .extend({ top: 30, left: 90, background: '#fff' })
      if (classOf(await imageToDigit(await page.jpeg().toBuffer())) === labels[index]) right++
    }
    expect(right).toBeGreaterThanOrEqual(96)
  })
})
