/**
 * What the server computes online on whole tensors, each in one pass and with no vector in between: the same as
 * chains of core/ring/vector.ts, which the tests compare them with. Fresh vectors cost more than the arithmetic.
 */
import { highMask, lowMask, type RingVector } from './ring.ts'

const TWO32 = 2 ** 32

/** The same words as 32-bit integers: sums of them stay integers in the engine. */
function integers(v: RingVector): Int32Array {
  return new Int32Array(v.words.buffer, v.words.byteOffset, v.words.length)
}

/**
 * target += mask + the bias of each channel, in place; target may hold words that are not reduced yet. Channels are
 * runs of equal length; biases are integers, |bias| <= 2^53. Throws RangeError for vectors of unequal form.
 */
export function addMaskAndBias(target: RingVector, mask: RingVector, biases: Float64Array | undefined): void {
  const { ring, length } = target
  const channels = biases?.length ?? 1
  if (mask.ring.bits !== ring.bits || mask.length !== length || length % channels !== 0) {
    throw new RangeError(`${length} of Z_2^${ring.bits}, ${mask.length} of Z_2^${mask.ring.bits}, ${channels} channels`)
  }
  const run = length / channels
  const lm = lowMask(ring)
  const hm = highMask(ring)
  const [x, m] = [integers(target), integers(mask)]
  for (let c = 0; c < channels; c++) {
    const bias = biases?.[c] ?? 0
    const high = Math.floor(bias / TWO32)
    if (ring.stride === 1) addNarrow(x, m, c * run, (c + 1) * run, (bias - high * TWO32) | 0, lm)
    else addWide(x, m, 2 * c * run, 2 * (c + 1) * run, (bias - high * TWO32) | 0, high | 0, hm)
  }
}

function addNarrow(x: Int32Array, m: Int32Array, from: number, to: number, bias: number, mask: number): void {
  for (let i = from; i < to; i++) x[i] = (x[i] + m[i] + bias) & mask
}

function addWide(
  x: Int32Array,
  m: Int32Array,
  from: number,
  to: number,
  biasLow: number,
  biasHigh: number,
  mask: number,
): void {
  for (let i = from; i < to; i += 2) {
    const a = x[i]
    const b = (a + m[i]) | 0
    const low = (b + biasLow) | 0
    const carry = (b >>> 0 < a >>> 0 ? 1 : 0) + (low >>> 0 < b >>> 0 ? 1 : 0)
    x[i] = low
    x[i + 1] = (x[i + 1] + m[i + 1] + biasHigh + carry) & mask
  }
}

/**
 * output[i] = truncateServer(input[i]) + correction, for the elements i of `indices`, in place: correction[j] is that of
 * indices[j]. Throws RangeError for a shift that the input's ring has no room for, or vectors of unequal form.
 */
export function truncateServerInto(
  output: RingVector,
  indices: Uint32Array,
  input: RingVector,
  shift: number,
  correction: RingVector,
): void {
  const from = input.ring
  const to = output.ring
  if (!Number.isInteger(shift) || shift < 0 || shift >= from.bits) {
    throw new RangeError(`shift must be from 0 to ${from.bits - 1}, got ${shift}`)
  }
  if (correction.ring.bits !== to.bits || correction.length !== indices.length || input.length !== output.length) {
    throw new RangeError(`${correction.length} corrections of Z_2^${correction.ring.bits} for ${indices.length} places`)
  }
  const x = integers(input)
  const d = integers(correction)
  const y = integers(output)
  const [fromLow, fromHigh, toLow, toHigh] = [lowMask(from) | 0, highMask(from), lowMask(to) | 0, highMask(to)]
  const fromWide = from.stride === 2
  const toWide = to.stride === 2
  for (let j = 0; j < indices.length; j++) {
    const i = indices[j]
    // u = -s mod 2^k
    const s = fromWide ? x[2 * i] : x[i]
    let low = -s & fromLow
    let high = fromWide ? (~x[2 * i + 1] + (s === 0 ? 1 : 0)) & fromHigh : 0
    // floor(u / 2^shift)
    if (shift >= 32) {
      low = high >>> (shift - 32)
      high = 0
    } else if (shift > 0) {
      low = (low >>> shift) | (high << (32 - shift))
      high >>>= shift
    }
    // its negative, and the correction
    if (toWide) {
      const c = d[2 * j]
      y[2 * i] = c - low
      y[2 * i + 1] = (d[2 * j + 1] - high - (c >>> 0 < low >>> 0 ? 1 : 0)) & toHigh
    } else y[i] = (d[j] - low) & toLow
  }
}

/** a * 2^aShift + b * 2^bShift, both reduced to the ring of `output`, into it; shifts below its width. */
export function addShifted(output: RingVector, a: RingVector, aShift: number, b: RingVector, bShift: number): void {
  const { ring, length } = output
  for (const [v, shift] of [
    [a, aShift],
    [b, bShift],
  ] as const) {
    if (v.ring.bits < ring.bits || v.length !== length) {
      throw new RangeError(`${v.length} of Z_2^${v.ring.bits} do not reduce to ${length} of Z_2^${ring.bits}`)
    }
    if (!Number.isInteger(shift) || shift < 0 || shift >= ring.bits) {
      throw new RangeError(`shift must be from 0 to ${ring.bits - 1}, got ${shift}`)
    }
  }
  const [x, y, z] = [integers(a), integers(b), integers(output)]
  if (ring.stride === 1) {
    const mask = lowMask(ring)
    const [xStep, yStep] = [a.ring.stride, b.ring.stride]
    for (let i = 0; i < length; i++) z[i] = ((x[i * xStep] << aShift) + (y[i * yStep] << bShift)) & mask
    return
  }
  const mask = highMask(ring)
  for (let i = 0; i < z.length; i += 2) {
    const [xl, yl] = [aShift < 32 ? x[i] << aShift : 0, bShift < 32 ? y[i] << bShift : 0]
    const low = (xl + yl) | 0
    const high = shiftedHigh(x[i], x[i + 1], aShift) + shiftedHigh(y[i], y[i + 1], bShift)
    z[i] = low
    z[i + 1] = (high + (low >>> 0 < xl >>> 0 ? 1 : 0)) & mask
  }
}

function shiftedHigh(low: number, high: number, shift: number): number {
  if (shift === 0) return high
  return shift >= 32 ? low << (shift - 32) : (high << shift) | (low >>> (32 - shift))
}
