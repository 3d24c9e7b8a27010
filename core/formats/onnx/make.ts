/** Parts of an ONNX model to be written. */
import { ATTRIBUTE_TYPE, DATA_TYPE, type OnnxAttribute, type OnnxTensor, type OnnxValueInfo } from './proto.ts'
import type { Writable } from './proto.ts'

/** A tensor of numbers in raw little-endian bytes: float from a Float32Array, int64 from a list. */
export function tensor(
  name: string,
  dims: readonly number[],
  data: Float32Array | readonly number[],
): Writable<OnnxTensor> {
  if (data instanceof Float32Array) {
    const rawData = new Uint8Array(data.buffer, data.byteOffset, data.byteLength)
    return { name, dims, dataType: DATA_TYPE.float, rawData }
  }
  const rawData = new Uint8Array(BigInt64Array.from(data, BigInt).buffer)
  return { name, dims, dataType: DATA_TYPE.int64, rawData }
}

export type AttributeValue = number | string | readonly number[] | Writable<OnnxTensor>

/** A whole number becomes an int; give `float` for an attribute that is one whatever its value. */
export function attribute(name: string, value: AttributeValue, kind?: 'float'): Writable<OnnxAttribute> {
  if (typeof value === 'string') return { name, type: ATTRIBUTE_TYPE.string, s: Buffer.from(value) }
  if (typeof value === 'number') {
    if (kind === 'float' || !Number.isInteger(value)) return { name, type: ATTRIBUTE_TYPE.float, f: value }
    return { name, type: ATTRIBUTE_TYPE.int, i: value }
  }
  if ('length' in value) {
    return kind === 'float'
      ? { name, type: ATTRIBUTE_TYPE.floats, floats: value }
      : { name, type: ATTRIBUTE_TYPE.ints, ints: value }
  }
  return { name, type: ATTRIBUTE_TYPE.tensor, t: value }
}

/** A value of float32; a dimension may have a name in place of a size. */
export function valueInfo(name: string, dims: readonly (number | string)[]): Writable<OnnxValueInfo> {
  const dim = dims.map((d) => (typeof d === 'number' ? { dimValue: d } : { dimParam: d }))
  return { name, type: { tensorType: { elemType: DATA_TYPE.float, shape: { dim } } } }
}
