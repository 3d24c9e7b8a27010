/**
 * Steps that each party carries out on its own share, with no message: linear maps by public or own constants.
 */
import type { Kernels } from '../kernels/interface.ts'
import type { AddStep, ConcatStep, LinearStep, Plan, ReshapeStep, Step, SumPoolStep, Value } from '../network/plan.ts'
import { addMaskAndBias, addShifted } from '../ring/fused.ts'
import { ring, type Ring, type RingVector } from '../ring/ring.ts'
import { fromSigned, fromWords, reduce, reduceWords, shiftLeft, zeros } from '../ring/vector.ts'

/** A step that needs no message at all. */
export type LocalStep = AddStep | SumPoolStep | ConcatStep | ReshapeStep

export function isLocal(step: Step): step is LocalStep {
  return step.op === 'add' || step.op === 'sumPool' || step.op === 'concat' || step.op === 'reshape'
}

/** Values a step reads. */
export function stepInputs(step: Step): readonly number[] {
  return step.op === 'add' || step.op === 'concat' ? step.inputs : [step.input]
}

/** Ring of a value's shares. */
export function ringOf(value: Value): Ring {
  return ring(value.bits)
}

/** A party's share of a local step's output from its shares of the inputs, by value index. */
export function runLocal(plan: Plan, step: LocalStep, shares: (value: number) => RingVector): RingVector {
  const output = plan.values[step.output]
  const to = ringOf(output)
  switch (step.op) {
    case 'add': {
      const [a, b] = step.inputs.map(shares)
      const sum = zeros(to, output.length)
      addShifted(sum, a, step.shifts[0], b, step.shifts[1])
      return sum
    }
    case 'concat': {
      const words = new Uint32Array(output.length * to.stride)
      let at = 0
      step.inputs.forEach((input, i) => {
        const part = shiftLeft(reduce(shares(input), to), step.shifts[i])
        words.set(part.words, at)
        at += part.words.length
      })
      return fromWords(to, output.length, words)
    }
    case 'reshape': {
      const share = reduce(shares(step.input), to)
      return fromWords(to, output.length, share.words)
    }
    case 'sumPool':
      return sumPool(reduce(shares(step.input), to), plan.values[step.input], output, step)
  }
}

function sumPool(share: RingVector, input: Value, output: Value, step: SumPoolStep): RingVector {
  const [channels, height, width] = input.shape
  const [, outHeight, outWidth] = output.shape
  const { stride } = share.ring
  const words = new Uint32Array(output.length * stride)
  let at = 0
  for (let c = 0; c < channels; c++)
    for (let oy = 0; oy < outHeight; oy++)
      for (let ox = 0; ox < outWidth; ox++) {
        let low = 0
        let high = 0
        for (let ky = 0; ky < step.kernel[0]; ky++) {
          const y = oy * step.stride - step.padding + ky
          if (y < 0 || y >= height) continue
          for (let kx = 0; kx < step.kernel[1]; kx++) {
            const x = ox * step.stride - step.padding + kx
            if (x < 0 || x >= width) continue
            const i = ((c * height + y) * width + x) * stride
            // Sums of 32-bit words stay exact in a double for any window of less than 2^21 elements.
            low += share.words[i]
            if (stride === 2) high += share.words[i + 1]
          }
        }
        words[at] = low % 2 ** 32
        if (stride === 2) words[at + 1] = (high + Math.floor(low / 2 ** 32)) % 2 ** 32
        at += stride
      }
  return reduceWords(share.ring, output.length, words)
}

/** W * share in the ring of the step's output. */
export function runLinear(
  kernels: Kernels,
  plan: Plan,
  step: LinearStep,
  weights: Int32Array,
  share: RingVector,
): RingVector {
  const product = unreduced(kernels, plan, step, weights, share)
  return reduceWords(product.ring, product.length, product.words)
}

/** The server's share of a linear step's output: W * share + mask + bias, as {@link runLinear} and {@link biasVector}. */
export function runServerLinear(
  kernels: Kernels,
  plan: Plan,
  step: LinearStep,
  secret: { readonly weights: Int32Array; readonly biases: Float64Array | undefined },
  share: RingVector,
  mask: RingVector,
): RingVector {
  const product = unreduced(kernels, plan, step, secret.weights, share)
  addMaskAndBias(product, mask, secret.biases)
  return product
}

/** W * share modulo the words' 2^32 or 2^64, not reduced to the ring yet; in memory of its own. */
function unreduced(kernels: Kernels, plan: Plan, step: LinearStep, weights: Int32Array, share: RingVector): RingVector {
  const output = plan.values[step.output]
  const to = ringOf(output)
  const { words } = reduce(share, to)
  const g = step.geometry
  const dense = g.inHeight === 1 && g.inWidth === 1 && g.kernelHeight === 1 && g.kernelWidth === 1 && g.groups === 1
  const product =
    dense && g.padding === 0
      ? kernels.matvec(words, to.stride, weights, g.outChannels, g.inChannels)
      : kernels.conv2d(words, to.stride, weights, g)
  return fromWords(to, output.length, product)
}

/** The bias of a linear step, spread over its output. */
export function biasVector(plan: Plan, step: LinearStep, biases: Float64Array | undefined): RingVector {
  const output = plan.values[step.output]
  const to = ringOf(output)
  if (biases === undefined) return zeros(to, output.length)
  const spatial = output.length / step.geometry.outChannels
  const spread = new Float64Array(output.length)
  biases.forEach((bias, channel) => spread.fill(bias, channel * spatial, (channel + 1) * spatial))
  return fromSigned(to, spread)
}
