/**
 * Sums of products modulo 2^64 in double precision: 64-bit elements are cut into limbs so narrow that a whole sum
 * of (weight x limb) stays an exact double, and the sums are put together again modulo 2^64.
 */
const TWO32 = 2 ** 32

/** Bits a limb may have when `taps` products with |weight| <= maxWeight are summed below 2^53. */
export function limbBits(taps: number, maxWeight: number): number {
  return Math.max(1, Math.min(32, Math.floor(53 - Math.log2(taps * Math.max(1, maxWeight) + 1))))
}

/** Limbs of `bits` bits that cover 64. */
export function limbCount(bits: number): number {
  return Math.ceil(64 / bits)
}

/** Largest |weight|. */
export function maxMagnitude(weights: Int32Array): number {
  let max = 0
  for (const w of weights) max = Math.max(max, Math.abs(w))
  return max
}

/** Limb `index` of every element of `words` (two words an element), as doubles. */
export function limbOf(words: Uint32Array, bits: number, index: number): Float64Array {
  const out = new Float64Array(words.length / 2)
  const shift = bits * index
  const mask = bits === 32 ? -1 : (1 << bits) - 1
  for (let i = 0; i < out.length; i++) {
    const low = words[2 * i]
    const high = words[2 * i + 1]
    let limb: number
    if (shift === 0) limb = low
    else if (shift < 32) limb = (low >>> shift) | (high << (32 - shift))
    else limb = high >>> (shift - 32)
    out[i] = (limb & mask) >>> 0
  }
  return out
}

/** out[at] += sum * 2^shift modulo 2^64, for an integer |sum| < 2^53 and 0 <= shift < 64. */
export function addShifted(out: Uint32Array, at: number, sum: number, shift: number): void {
  const upper = Math.floor(sum / TWO32)
  let low = (sum - upper * TWO32) >>> 0
  let high = upper | 0
  if (shift >= 32) {
    high = low << (shift - 32)
    low = 0
  } else if (shift > 0) {
    high = (high << shift) | (low >>> (32 - shift))
    low = (low << shift) >>> 0
  }
  const total = out[2 * at] + low
  out[2 * at] = total
  out[2 * at + 1] += high + (total >= TWO32 ? 1 : 0)
}
