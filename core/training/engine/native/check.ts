/** Run by engine:setup in a process of its own: loads the engine and checks one gradient whose value is known. */
import { loadEngine } from '../index.ts'

const engine = await loadEngine()
const { tf, ops } = engine
if (engine.name.startsWith('native')) {
  // d/dw of the sum of a 1x1 convolution with stride 2 over a 4x4 image 0..15: 0 + 2 + 8 + 10.
  const image = tf.tensor4d(
    Array.from({ length: 16 }, (_, index) => index),
    [1, 4, 4, 1],
  )
  const gradient = tf.grad((weight) => tf.sum(ops.conv2d(image, weight as never, { stride: 2, padding: 0 })))
  const [value] = gradient(tf.ones([1, 1, 1, 1])).dataSync()
  if (value !== 20) throw new Error(`a gradient that is 20 came out as ${value}`)
  process.stdout.write(`${engine.name}: ${engine.description}\n`)
} else {
  const [gpu] = engine.reasons
  process.stderr.write(`${gpu.why}\n`)
  process.exitCode = 1
}
process.disconnect?.()
