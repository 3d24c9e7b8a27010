/**
 * Forward pass: fractional bits of every value, shifts of every truncation and alignment, and integer weights.
 *
 * All scales are powers of two. A value v (integer) of scale s and divisor d stands for v / 2^s / d.
 */
import { AdytonError } from '../../errors/errors.ts'
import type { Ranges } from './calibrate.ts'
import { consumerCounts, isMasked, linearisedCount, type LinearOperation, type Operation } from './operations.ts'
import type { ResolvedOptions } from './options.ts'

export interface IntegerWeights {
  readonly weights: Int32Array
  readonly bias: Float64Array
  /** Fractional bits of the weights. */
  readonly scale: number
}

/** What the forward pass decides about one value. */
export interface Scaled {
  readonly scale: number
  readonly divisor: number
  /** Largest |integer| over the calibration images. */
  readonly max: number
  /** Bits dropped by an activation or max-pool. */
  readonly shift: number
  /** Left shifts of the operands of an add or concat. */
  readonly shifts: readonly number[]
  readonly integers?: IntegerWeights
}

/** Exact re-sharing is for values of at most this many magnitude bits; larger ones are truncated anyway. */
const EXACT_BITS = 26
/** Weights below this are as good as zero; finer scales would only make large numbers. */
const MAX_WEIGHT_SCALE = 40

/** Smallest e with x <= 2^e. */
const ceilLog2 = (x: number): number => Math.ceil(Math.log2(x))

/** Fractional bits at which a tensor of that maximum has `bits` magnitude bits. */
const scaleFor = (bits: number, max: number): number => bits - ceilLog2(max)

function quantise(op: LinearOperation, inputScale: number, divisor: number, weightBits: number): IntegerWeights {
  let max = 0
  for (const w of op.weights) max = Math.max(max, Math.abs(w))
  max /= divisor
  const limit = 2 ** weightBits - 1
  const fit = max === 0 ? weightBits : Math.floor(Math.log2(limit / max))
  const scale = Math.min(fit, MAX_WEIGHT_SCALE)
  const factor = 2 ** scale / divisor
  const weights = new Int32Array(op.weights.length)
  for (let i = 0; i < weights.length; i++) weights[i] = Math.round(op.weights[i] * factor)
  const outputFactor = 2 ** (inputScale + scale)
  const bias = Float64Array.from(op.bias, (b) => Math.round(b * outputFactor))
  // Scales are chosen to fit, so neither of these happens with finite weights; a plan must never promise more.
  if (weights.some((w) => Math.abs(w) > limit)) {
    throw new AdytonError('model-overflow', `layer '${op.id}': a weight takes more than ${weightBits} bits`, {
      advice: 'Raise weightBits, or check the batch norm after this layer for a variance close to zero.',
    })
  }
  const heavy = bias.findIndex((b) => !(Math.abs(b) <= 2 ** 53))
  if (heavy >= 0) {
    throw new AdytonError('model-overflow', `layer '${op.id}': the bias of channel ${heavy} takes more than 53 bits`, {
      advice: 'Lower weightBits or activationBits.',
    })
  }
  return { weights, bias, scale }
}

/** The largest odd divisor of n, and the power of two that is left. */
function oddPart(n: number): { readonly odd: number; readonly twos: number } {
  let twos = 0
  while (n % 2 === 0) {
    n /= 2
    twos++
  }
  return { odd: n, twos }
}

function aligned(op: Operation, inputs: readonly Scaled[]): { scale: number; divisor: number; shifts: number[] } {
  const { divisor } = inputs[0]
  if (inputs.some((x) => x.divisor !== divisor)) {
    throw new AdytonError(
      'model-invalid',
      `layer '${op.id}' joins values that wait for different divisions by average-pool windows: ${inputs.map((x) => x.divisor).join(' and ')}`,
      {
        advice:
          'Use pooling windows whose size is a power of two on these paths, or put a convolution or batch norm after each pool.',
      },
    )
  }
  const scale = Math.max(...inputs.map((x) => x.scale))
  return { scale, divisor, shifts: inputs.map((x) => scale - x.scale) }
}

function truncation(op: Operation, input: Scaled, outputMax: number, exact: boolean, bits: number): number {
  const exactly = op.op === 'activation' && op.rescale && exact && input.max <= 2 ** EXACT_BITS
  // The target precision is that of the stored integers, which carry the divisor.
  return exactly ? 0 : Math.max(0, input.scale - scaleFor(bits, outputMax * input.divisor))
}

/**
 * Adds half a unit of the truncation to the bias that feeds it, which turns floor into rounding for the kept
 * positions. Only along values that nothing else reads, and only where most positions are kept: local truncation
 * of a linearised position is unbiased as it is.
 */
function roundTruncations(operations: readonly Operation[], scaled: readonly Scaled[]): void {
  const consumers = consumerCounts(operations)
  const addHalf = (value: number, half: number): boolean => {
    const op = operations[value]
    if (consumers[value] !== 1 || half < 1) return false
    if (op.op === 'linear') {
      const bias = scaled[value].integers?.bias as Float64Array
      for (let c = 0; c < bias.length; c++) bias[c] += half
      return true
    }
    return op.op === 'add' && op.inputs.some((input, i) => addHalf(input, half / 2 ** scaled[value].shifts[i]))
  }
  operations.forEach((op, i) => {
    if (scaled[i].shift === 0) return
    const length = op.shape.reduce((a, b) => a * b, 1)
    const mostlyKept = op.op === 'maxPool' || (op.op === 'activation' && 2 * linearisedCount(op) < length)
    if (mostlyKept) addHalf(op.inputs[0], 2 ** (scaled[i].shift - 1))
  })
}

/** Scales, shifts and integer weights of every operation. Throws 'model-invalid' or 'model-overflow' naming the layer. */
export function assignScales(operations: readonly Operation[], ranges: Ranges, options: ResolvedOptions): Scaled[] {
  const exact = options.rescale === 'exact' || (options.rescale === 'auto' && !isMasked(operations))
  const scaled: Scaled[] = []
  operations.forEach((op, i) => {
    const inputs = op.inputs.map((j) => scaled[j])
    const max = ranges.max[i]
    const put = (scale: number, divisor: number, rest: Partial<Scaled> = {}): void => {
      scaled.push({ scale, divisor, max: Math.ceil(max * divisor * 2 ** scale), shift: 0, shifts: [], ...rest })
    }
    switch (op.op) {
      case 'input':
        put(scaleFor(options.activationBits, max), 1)
        break
      case 'linear': {
        const integers = quantise(op, inputs[0].scale, inputs[0].divisor, options.weightBits)
        put(inputs[0].scale + integers.scale, 1, { integers })
        break
      }
      case 'add':
      case 'concat': {
        const { scale, divisor, shifts } = aligned(op, inputs)
        put(scale, divisor, { shifts })
        break
      }
      case 'reshape':
        put(inputs[0].scale, inputs[0].divisor)
        break
      case 'sumPool': {
        const { odd, twos } = oddPart(op.window.kernel[0] * op.window.kernel[1])
        put(inputs[0].scale + twos, inputs[0].divisor * odd)
        break
      }
      case 'activation':
      case 'maxPool': {
        const shift = truncation(op, inputs[0], max, exact, options.activationBits)
        put(inputs[0].scale - shift, inputs[0].divisor, { shift })
        break
      }
    }
  })
  roundTruncations(operations, scaled)
  return scaled
}
