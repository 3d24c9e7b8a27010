/** Tensors of an ONNX file as numbers. Sizes are checked against the shape before anything is allocated by it. */
import { AdytonError } from '../../errors/errors.ts'
import { LIMITS, shapeText } from '../../network/shapes.ts'
import { float16To } from '../float16.ts'
import { readExternal } from './external.ts'
import { DATA_TYPE, type OnnxTensor } from './proto.ts'
import type { Constant } from './values.ts'

const MAX_RANK = 8
/** Elements of a tensor of whole numbers: shapes and axes, never weights. */
const MAX_INTEGERS = 2 ** 22

type Lists = 'floatData' | 'int32Data' | 'int64Data' | 'doubleData' | 'uint64Data'

type Numbers = Float32Array | Float64Array

interface Type {
  readonly bytes: number
  readonly integer: boolean
  /** Where the numbers are when they are not raw bytes. */
  readonly list: Lists
  readonly raw: (bytes: ArrayBuffer) => Numbers
  readonly listed: (list: readonly number[]) => Numbers
}

function whole(
  array: new (bytes: ArrayBuffer) => ArrayLike<number | bigint> & { readonly BYTES_PER_ELEMENT: number },
  bytes: number,
  list: Lists,
): Type {
  return {
    ...{ bytes, integer: true, list },
    raw: (data) => Float64Array.from(new array(data), Number),
    listed: (numbers) => Float64Array.from(numbers),
  }
}

function halves(decode: (bits: Uint16Array) => Float32Array): Type {
  return {
    ...{ bytes: 2, integer: false, list: 'int32Data' },
    raw: (data) => decode(new Uint16Array(data)),
    listed: (numbers) => decode(Uint16Array.from(numbers)),
  }
}

function bfloat16To(bits: Uint16Array): Float32Array {
  return new Float32Array(Uint32Array.from(bits, (b) => b << 16).buffer)
}

const TYPES = new Map<number, Type>([
  [
    DATA_TYPE.float,
    {
      ...{ bytes: 4, integer: false, list: 'floatData' },
      raw: (data) => new Float32Array(data),
      listed: (numbers) => Float32Array.from(numbers),
    },
  ],
  [
    DATA_TYPE.double,
    {
      ...{ bytes: 8, integer: false, list: 'doubleData' },
      raw: (data) => Float32Array.from(new Float64Array(data)),
      listed: (numbers) => Float32Array.from(numbers),
    },
  ],
  [DATA_TYPE.float16, halves(float16To)],
  [DATA_TYPE.bfloat16, halves(bfloat16To)],
  [DATA_TYPE.bool, whole(Uint8Array, 1, 'int32Data')],
  [DATA_TYPE.uint8, whole(Uint8Array, 1, 'int32Data')],
  [DATA_TYPE.int8, whole(Int8Array, 1, 'int32Data')],
  [DATA_TYPE.uint16, whole(Uint16Array, 2, 'int32Data')],
  [DATA_TYPE.int16, whole(Int16Array, 2, 'int32Data')],
  [DATA_TYPE.int32, whole(Int32Array, 4, 'int32Data')],
  [DATA_TYPE.uint32, whole(Uint32Array, 4, 'uint64Data')],
  [DATA_TYPE.int64, whole(BigInt64Array, 8, 'int64Data')],
  [DATA_TYPE.uint64, whole(BigUint64Array, 8, 'uint64Data')],
])

/** 'float16', for messages. */
export function typeName(dataType: number | undefined): string {
  return Object.entries(DATA_TYPE).find(([, number]) => number === dataType)?.[0] ?? `number ${dataType ?? 0}`
}

/** How many numbers of four bytes may still be kept of one file, all its tensors together. */
export interface Budget {
  left: number
}

export interface TensorSource {
  /** The model, for messages; external data lies in its folder. */
  readonly file: string
  readonly budget: Budget
}

/** Where in `source` something is wrong with a tensor. */
function corrupt({ file }: TensorSource, tensor: OnnxTensor, reason: string): never {
  throw new AdytonError('file-corrupt', `${file}: tensor '${(tensor.name ?? '').slice(0, 128)}' ${reason}`, {
    advice: 'Fetch or export the file again.',
  })
}

function countOf(source: TensorSource, tensor: OnnxTensor, type: Type): number {
  const { dims } = tensor
  if (dims.length > MAX_RANK) corrupt(source, tensor, `has ${dims.length} axes`)
  if (dims.some((d) => !Number.isSafeInteger(d) || d < 0)) corrupt(source, tensor, `has shape ${shapeText(dims)}`)
  const count = dims.includes(0) ? 0 : dims.reduce((product, d) => product * d, 1)
  const limit = Math.min(source.budget.left, type.integer ? MAX_INTEGERS : LIMITS.weights)
  if (count > limit) {
    const text = `${source.file}: tensor '${(tensor.name ?? '').slice(0, 128)}' of shape ${shapeText(dims)} is too large`
    throw new AdytonError('file-unsupported', text, {
      advice: `A network may have ${LIMITS.weights} weights in all; shapes may have ${MAX_INTEGERS} whole numbers.`,
    })
  }
  return count
}

/** The bytes of a tensor, from the file or beside it; undefined when it lists its numbers one by one. */
function bytesOf(source: TensorSource, tensor: OnnxTensor, size: number): Uint8Array | undefined {
  if (tensor.dataLocation === 1) return readExternal(tensor, size, source.file)
  return tensor.rawData
}

/** The numbers of a tensor. Throws AdytonError 'file-corrupt', or 'file-unsupported' for types and sizes. */
export function readTensor(tensor: OnnxTensor, source: TensorSource): Constant {
  const type = TYPES.get(tensor.dataType ?? 0)
  if (type === undefined) {
    const name = (tensor.name ?? '').slice(0, 128)
    throw new AdytonError(
      'file-unsupported',
      `${source.file}: tensor '${name}' is of type ${typeName(tensor.dataType)}`,
      {
        advice: 'Export the model with float32 weights.',
      },
    )
  }
  const count = countOf(source, tensor, type)
  const bytes = bytesOf(source, tensor, count * type.bytes)
  const list = tensor[type.list]
  const given = bytes === undefined ? list.length * type.bytes : bytes.length
  if (given !== count * type.bytes) {
    corrupt(source, tensor, `of shape ${shapeText(tensor.dims)} takes ${count * type.bytes} bytes, got ${given}`)
  }
  // A copy: the bytes of a file need not lie at a multiple of an element's size.
  const data = bytes === undefined ? type.listed(list) : type.raw(Uint8Array.from(bytes).buffer)
  source.budget.left -= data.byteLength / Float32Array.BYTES_PER_ELEMENT
  return { kind: 'constant', dims: tensor.dims, data }
}

/** The same tensor with its numbers in the file itself; for a copy of a model that is kept in memory. */
export function inlineTensor(tensor: OnnxTensor, source: TensorSource): OnnxTensor {
  const type = TYPES.get(tensor.dataType ?? 0)
  if (tensor.dataLocation !== 1 || type === undefined) return tensor
  const rawData = readExternal(tensor, countOf(source, tensor, type) * type.bytes, source.file)
  return { ...tensor, rawData, dataLocation: 0, externalData: [] }
}
