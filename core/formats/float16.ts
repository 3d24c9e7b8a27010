/** IEEE 754 binary16, as bits, to and from float32. */

/** Exact. */
export function float16To(bits: Uint16Array): Float32Array {
  const out = new Float32Array(bits.length)
  for (let i = 0; i < bits.length; i++) {
    const exponent = (bits[i] >>> 10) & 31
    const fraction = bits[i] & 1023
    const sign = bits[i] & 0x8000 ? -1 : 1
    if (exponent === 31) out[i] = fraction === 0 ? sign * Infinity : NaN
    else if (exponent === 0) out[i] = sign * fraction * 2 ** -24
    else out[i] = sign * (1024 + fraction) * 2 ** (exponent - 25)
  }
  return out
}

/** Rounds to nearest, ties to even; beyond 65,504 gives infinity. */
export function float16From(values: Float32Array): Uint16Array {
  const out = new Uint16Array(values.length)
  for (let i = 0; i < values.length; i++) out[i] = halfBits(values[i])
  return out
}

function halfBits(x: number): number {
  const sign = x < 0 || Object.is(x, -0) ? 0x8000 : 0
  const a = Math.abs(x)
  if (Number.isNaN(a)) return 0x7e00
  if (a === 0) return sign
  // Half a unit above the largest half, infinity included.
  if (a >= 65520) return sign | 0x7c00
  // The unit in the last place of a half of this size; subnormals share that of the smallest normals.
  const exponent = Math.max(-14, Math.floor(Math.log2(a)))
  const units = roundEven(a / 2 ** (exponent - 10))
  // A carry out of the fraction moves to the next exponent by itself.
  const bits = units < 1024 ? units : ((exponent + 15) << 10) + (units - 1024)
  return sign | bits
}

function roundEven(x: number): number {
  const low = Math.floor(x)
  const rest = x - low
  return rest > 0.5 || (rest === 0.5 && low % 2 === 1) ? low + 1 : low
}
