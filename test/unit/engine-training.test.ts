/** Training on every backend that loads: the same seed gives the same weights, and all agree with plain JavaScript. */
import { afterEach, describe, expect, it } from 'vitest'
import { ENGINE_NAMES, loadEngine, type Engine } from '../../core/training/engine/index.ts'
import { only, smallNetwork, train } from './engine-helpers.ts'
import { distance, values } from './engine-reference.ts'

let engine: Engine | undefined
afterEach(() => {
  engine?.dispose()
  engine = undefined
})

/** Loss and gradients of the small network on one batch. */
function gradients(on: Engine): { loss: number; gradients: Float32Array[] } {
  const { tf, ops } = on
  const { variables, forward } = smallNetwork(on, 7)
  const images = tf.tensor4d(Float32Array.from(values([16, 8, 8, 3], 8).data), [16, 8, 8, 3])
  const labels = tf.tensor2d(
    Array.from({ length: 16 }, (_, i) => Array.from({ length: 4 }, (_, k) => (k === (i * 3) % 4 ? 1 : 0))),
  )
  const { value, grads } = tf.variableGrads(() => ops.softmaxCrossEntropy(labels, forward(images)), variables)
  const all = variables.map(({ name }) => grads[name].dataSync<'float32'>().slice())
  const [loss] = value.dataSync()
  tf.disposeVariables()
  return { loss, gradients: all }
}

describe.each(ENGINE_NAMES)('%s', (name) => {
  it('gives the same weights, bit for bit, from the same seed, and others from another', async (context) => {
    const found = await only(name)
    if ('why' in found) return context.skip(`${name} does not load: ${found.why}`)
    engine = found.engine
    const first = train(engine, 3, 20)
    const again = train(engine, 3, 20)
    expect(again.weights).toEqual(first.weights)
    expect(again.losses).toEqual(first.losses)
    expect(train(engine, 4, 1).weights).not.toEqual(train(engine, 3, 1).weights)
    expect(first.losses.at(-1)).toBeLessThan(first.losses[0])
  })

  it('keeps no tensor from one step to the next', async (context) => {
    const found = await only(name)
    if ('why' in found) return context.skip(`${name} does not load: ${found.why}`)
    engine = found.engine
    const before = engine.tf.memory().numTensors
    train(engine, 5, 3)
    expect(engine.tf.memory().numTensors).toBe(before)
  })

  it('agrees with the JavaScript backend on the gradients of a network', async (context) => {
    if (name === 'cpu') return
    const found = await only(name)
    if ('why' in found) return context.skip(`${name} does not load: ${found.why}`)
    const got = gradients(found.engine)
    found.engine.dispose()
    engine = await loadEngine({ prefer: 'cpu' })
    expect(engine.name).toBe('cpu')
    const want = gradients(engine)
    expect(Math.abs(got.loss - want.loss)).toBeLessThan(1e-5)
    got.gradients.forEach((gradient, i) => {
      expect(distance(gradient, want.gradients[i]), `gradient of weight ${i}`).toBeLessThan(1e-4)
    })
  })
})
