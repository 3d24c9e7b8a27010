/**
 * The clear fixed-point run: the integers that the protocol computes, without sharing. The private run differs
 * from it only by the last bits of local truncations at linearised positions.
 *
 * Doubles hold every integer exactly; a value that leaves its ring, or a sum that could leave the exact range of
 * doubles, is an error that names the step.
 */
import { AdytonError } from '../errors/errors.ts'
import { convolve, packWeights, type PackedWeights } from './convolve.ts'
import { pool } from './pooling.ts'
import type {
  ActivationStep,
  LinearStep,
  LoweredModel,
  LoweredWeights,
  MaxPoolStep,
  Plan,
  Step,
  Value,
} from './plan.ts'

/** Largest magnitude below which every sum of doubles is exact. */
const EXACT = 2 ** 53

export interface FixedResult {
  /** Signed integers of the revealed value; stands for v / 2^scale / divisor of that value. */
  readonly logits: Float64Array
  /** First index of the largest logit. */
  readonly label: number
  /** Every value of the plan by index; only when asked for. */
  readonly values?: readonly Float64Array[]
}

/** Runs one quantised image (see {@link quantiseInput}). */
export type FixedRunner = (input: Float64Array, options?: { readonly values?: boolean }) => FixedResult

/** The integers that the client shares: round(x * 2^scale) of the preprocessed image. Throws RangeError on a wrong length. */
export function quantiseInput(plan: Plan, image: Float32Array): Float64Array {
  const value = plan.values[0]
  if (image.length !== value.length) throw new RangeError(`expected ${value.length} elements, got ${image.length}`)
  const factor = 2 ** value.scale
  const limit = 2 ** (value.bits - 1) - 1
  return Float64Array.from(image, (x) => {
    if (!Number.isFinite(x)) throw new RangeError('the image holds a value that is not finite')
    return Math.max(-limit, Math.min(limit, Math.round(x * factor)))
  })
}

/** The real numbers that integers of a value stand for. */
export function dequantise(value: Value, integers: Float64Array): Float64Array {
  const unit = 1 / (2 ** value.scale * value.divisor)
  return integers.map((v) => v * unit)
}

/** First index of the largest element. */
export function argmax(values: ArrayLike<number>): number {
  let best = 0
  for (let i = 1; i < values.length; i++) if (values[i] > values[best]) best = i
  return best
}

/**
 * Checks that secret weights belong to a plan: every linear step has weights and biases of the right length within
 * the declared width, and nothing else is there. Throws AdytonError 'model-overflow' or 'model-invalid'.
 */
export function checkWeights(plan: Plan, secret: LoweredWeights): void {
  const linear = plan.steps.filter((step) => step.op === 'linear')
  if (secret.weights.size !== linear.length || secret.biases.size !== linear.length) {
    throw new AdytonError('model-invalid', `expected weights of ${linear.length} layers, got ${secret.weights.size}`)
  }
  for (const { id, geometry: g, weightBits } of linear) {
    const weights = secret.weights.get(id)
    const bias = secret.biases.get(id)
    const count = (g.outChannels * g.inChannels * g.kernelHeight * g.kernelWidth) / g.groups
    if (weights?.length !== count || bias?.length !== g.outChannels) {
      throw new AdytonError(
        'model-invalid',
        `layer '${id}': expected ${count} weights and ${g.outChannels} biases, got ${weights?.length ?? 0} and ${bias?.length ?? 0}`,
      )
    }
    const limit = 2 ** weightBits
    if (weights.some((w) => Math.abs(w) >= limit)) {
      throw new AdytonError('model-overflow', `layer '${id}': a weight takes more than the declared ${weightBits} bits`)
    }
    if (bias.some((b) => !Number.isInteger(b) || Math.abs(b) > EXACT)) {
      throw new AdytonError('model-overflow', `layer '${id}': a bias is not an integer of at most 53 bits`)
    }
  }
}

function largest(x: Float64Array): number {
  let max = 0
  for (let i = 0; i < x.length; i++) {
    const a = Math.abs(x[i])
    if (a > max) max = a
  }
  return max
}

/** Throws 'model-overflow' when an element needs more than `bits` bits, sign included. */
function assertFits(x: Float64Array, bits: number, id: string, what: string): void {
  const max = largest(x)
  if (max < 2 ** (bits - 1)) return
  throw new AdytonError('model-overflow', `step '${id}': ${what} reaches ${max}, more than ${bits} bits hold`, {
    advice: 'Calibrate with images that are typical of what the network will see, or raise headroomBits.',
  })
}

interface PackedLayer {
  readonly packed: PackedWeights
  readonly bias: Float64Array
  /** Largest sum of |w| over one output element: times the largest |x|, it bounds every partial sum. */
  readonly norm: number
}

function packLayer(step: LinearStep, secret: LoweredWeights): PackedLayer {
  const weights = secret.weights.get(step.id) as Int32Array
  const bias = secret.biases.get(step.id) as Float64Array
  const run = weights.length / step.geometry.outChannels
  let norm = 0
  for (let m = 0; m < step.geometry.outChannels; m++) {
    let sum = 0
    for (let i = m * run; i < (m + 1) * run; i++) sum += Math.abs(weights[i])
    if (sum > norm) norm = sum
  }
  return { packed: packWeights(step.geometry, weights), bias, norm }
}

function runLinear(step: LinearStep, layer: PackedLayer, x: Float64Array, length: number): Float64Array {
  if (largest(x) * layer.norm >= EXACT) {
    throw new AdytonError('model-overflow', `step '${step.id}': sums of products may exceed 53 bits`, {
      advice: 'Lower weightBits or activationBits.',
    })
  }
  return convolve(layer.packed, x, layer.bias, new Float64Array(length))
}

/**
 * Kept positions: ReLU, then floor(x / 2^shift), as the circuit does. Linearised positions: x / 2^shift rounded to
 * the nearest integer. Local truncation of shares gives floor(x / 2^shift) + e with e in {0, 1} and the right mean,
 * so rounding is its centre: the private run is off by at most one either way, and not to one side.
 */
function activate(step: ActivationStep, x: Float64Array): Float64Array {
  const unit = 2 ** -step.shift
  const out = new Float64Array(x.length)
  if (step.kept === 'all') {
    for (let i = 0; i < x.length; i++) if (x[i] > 0) out[i] = Math.floor(x[i] * unit)
    return out
  }
  for (let i = 0; i < x.length; i++) out[i] = Math.floor(x[i] * unit + (step.shift === 0 ? 0 : 0.5))
  for (const i of step.kept) out[i] = x[i] > 0 ? Math.floor(x[i] * unit) : 0
  return out
}

function maxPool(step: MaxPoolStep, x: Float64Array, input: Value, length: number): Float64Array {
  const unit = 2 ** -step.shift
  const out = pool('max', x, input.shape, step, new Float64Array(length))
  return out.map((v) => (step.relu && v < 0 ? 0 : Math.floor(v * unit)))
}

function join(parts: readonly Float64Array[], shifts: readonly number[], length: number): Float64Array {
  const out = new Float64Array(length)
  let at = 0
  parts.forEach((x, i) => {
    const factor = 2 ** shifts[i]
    for (let j = 0; j < x.length; j++) out[at++] = x[j] * factor
  })
  return out
}

function runStep(
  plan: Plan,
  step: Exclude<Step, { readonly op: 'reveal' }>,
  inputs: readonly Float64Array[],
  layer: PackedLayer | undefined,
): Float64Array {
  const { length } = plan.values[step.output]
  const [x] = inputs
  switch (step.op) {
    case 'linear':
      return runLinear(step, layer as PackedLayer, x, length)
    case 'add': {
      const [a, b] = [2 ** step.shifts[0], 2 ** step.shifts[1]]
      const y = inputs[1]
      return x.map((v, i) => v * a + y[i] * b)
    }
    case 'concat':
      return join(inputs, step.shifts, length)
    case 'sumPool':
      return pool('sum', x, plan.values[step.input].shape, step, new Float64Array(length))
    case 'reshape':
      return x
    case 'activation':
      if (step.kept === 'all' || step.kept.length > 0) assertFits(x, step.circuitBits, step.id, 'its input')
      return activate(step, x)
    case 'maxPool':
      assertFits(x, step.circuitBits, step.id, 'its input')
      return maxPool(step, x, plan.values[step.input], length)
  }
}

/** Prepares a lowered model for clear fixed-point runs over many images. Checks the weights ({@link checkWeights}). */
export function fixedRunner(model: LoweredModel): FixedRunner {
  const { plan, secret } = model
  checkWeights(plan, secret)
  const layers = plan.steps.map((step) => (step.op === 'linear' ? packLayer(step, secret) : undefined))
  const lastUse = plan.values.map(() => -1)
  plan.steps.forEach((step, s) => {
    for (const i of 'inputs' in step ? step.inputs : [step.input]) lastUse[i] = s
  })
  return (input, options = {}) => {
    if (input.length !== plan.values[0].length) {
      throw new RangeError(`expected ${plan.values[0].length} elements, got ${input.length}`)
    }
    const values = new Map([[0, input]])
    const valueOf = (i: number): Float64Array => values.get(i) as Float64Array
    let logits = input
    plan.steps.forEach((step, s) => {
      const reads = 'inputs' in step ? step.inputs : [step.input]
      if (step.op === 'reveal') {
        logits = valueOf(step.input)
        if (step.kind === 'label') assertFits(logits, step.circuitBits, step.id, 'its input')
        return
      }
      const inputs = reads.map(valueOf)
      const output = runStep(plan, step, inputs, layers[s])
      assertFits(output, plan.values[step.output].bits, step.id, 'its output')
      values.set(step.output, output)
      if (options.values !== true) for (const i of reads) if (lastUse[i] === s) values.delete(i)
    })
    const result = { logits, label: argmax(logits) }
    return options.values === true ? { ...result, values: plan.values.map((_, i) => valueOf(i)) } : result
  }
}

/** One clear fixed-point run of a float image; see {@link fixedRunner} for many. */
export function runFixed(
  model: LoweredModel,
  image: Float32Array,
  options?: { readonly values?: boolean },
): FixedResult {
  return fixedRunner(model)(quantiseInput(model.plan, image), options)
}
