/** Ranges of every value over calibration images, from the float run. */
import { AdytonError } from '../../errors/errors.ts'
import type { FloatRunner } from '../float.ts'
import type { Operation } from './operations.ts'

export interface Ranges {
  /** Largest |value| seen, by operation; never 0. */
  readonly max: readonly number[]
  /** Largest sum, over the images, of |input| at the linearised positions of each activation; 0 for the rest. */
  readonly linearised: readonly number[]
}

function largest(values: Float32Array): number {
  let max = 0
  for (const x of values) {
    const a = Math.abs(x)
    // Written so that NaN is kept, not skipped.
    if (!(a <= max)) max = a
  }
  return max
}

function linearisedSum(values: Float32Array, kept: Uint32Array): number {
  let sum = 0
  let next = 0
  for (let i = 0; i < values.length; i++) {
    if (next < kept.length && kept[next] === i) next++
    else sum += Math.abs(values[i])
  }
  return sum
}

/**
 * Runs every image through the float network. Throws RangeError without images and AdytonError 'model-invalid'
 * when a value is not finite.
 */
export function calibrate(run: FloatRunner, operations: readonly Operation[], images: readonly Float32Array[]): Ranges {
  if (images.length === 0) throw new RangeError('at least one calibration image is needed')
  const max = operations.map(() => 0)
  const linearised = operations.map(() => 0)
  for (const image of images) {
    const { values } = run(image, { values: true })
    const of = (i: number): Float32Array => values?.get(operations[i].origin) as Float32Array
    operations.forEach((op, i) => {
      max[i] = Math.max(max[i], largest(of(i)))
      if (!Number.isFinite(max[i])) {
        throw new AdytonError('model-invalid', `layer '${op.origin}' gives values that are not finite`, {
          advice: 'Check the weights of this layer and of those before it, and the calibration images.',
        })
      }
      if (op.op === 'activation' && op.kept !== 'all') {
        linearised[i] = Math.max(linearised[i], linearisedSum(of(op.inputs[0]), op.kept))
      }
    })
  }
  // A layer that is silent on every image still needs some scale.
  return { max: max.map((m) => (m === 0 ? 1 : m)), linearised }
}
