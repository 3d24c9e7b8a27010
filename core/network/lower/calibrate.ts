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

/** Ranges by operation id: what a model folder keeps as calibration.json. */
export type Calibration = Readonly<
  Record<string, { readonly max: number; /** Sum of |input| at linearised positions. */ readonly linearised: number }>
>

export function toCalibration(operations: readonly Operation[], ranges: Ranges): Calibration {
  return Object.fromEntries(
    operations.map((op, i) => [op.id, { max: ranges.max[i], linearised: ranges.linearised[i] }]),
  )
}

/** Throws AdytonError 'model-invalid' naming an operation without ranges: the calibration is of another network. */
export function toRanges(operations: readonly Operation[], calibration: Calibration): Ranges {
  const of = operations.map((op) => {
    const found = Object.hasOwn(calibration, op.id) ? calibration[op.id] : undefined
    if (found !== undefined) return found
    throw new AdytonError('model-invalid', `the calibration has no ranges for '${op.id}'`, {
      advice: 'The network has changed since it was calibrated: calibrate it again.',
    })
  })
  return { max: of.map(({ max }) => max), linearised: of.map(({ linearised }) => linearised) }
}
