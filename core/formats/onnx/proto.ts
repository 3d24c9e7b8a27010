/** ONNX models as plain objects, from and to the bytes of a file. */
import protobuf from 'protobufjs/light.js'
import { AdytonError } from '../../errors/errors.ts'
import { SCHEMA } from './schema.ts'
import { checkWire } from './wire.ts'

/** Element types of tensors, by their number in onnx.proto. */
export const DATA_TYPE = {
  float: 1,
  uint8: 2,
  int8: 3,
  uint16: 4,
  int16: 5,
  int32: 6,
  int64: 7,
  string: 8,
  bool: 9,
  float16: 10,
  double: 11,
  uint32: 12,
  uint64: 13,
  complex64: 14,
  complex128: 15,
  bfloat16: 16,
} as const

export const ATTRIBUTE_TYPE = {
  float: 1,
  int: 2,
  string: 3,
  tensor: 4,
  graph: 5,
  floats: 6,
  ints: 7,
  strings: 8,
  tensors: 9,
  graphs: 10,
} as const

export interface OnnxEntry {
  readonly key?: string
  readonly value?: string
}

export interface OnnxTensor {
  readonly name?: string
  readonly dims: readonly number[]
  /** One of {@link DATA_TYPE}. */
  readonly dataType?: number
  /** Little-endian. */
  readonly rawData?: Uint8Array
  readonly floatData: readonly number[]
  readonly int32Data: readonly number[]
  readonly int64Data: readonly number[]
  readonly doubleData: readonly number[]
  readonly uint64Data: readonly number[]
  readonly externalData: readonly OnnxEntry[]
  /** 1: the numbers are in another file, see externalData. */
  readonly dataLocation?: number
}

export interface OnnxAttribute {
  readonly name?: string
  /** One of {@link ATTRIBUTE_TYPE}. */
  readonly type?: number
  readonly f?: number
  readonly i?: number
  readonly s?: Uint8Array
  readonly t?: OnnxTensor
  readonly g?: OnnxGraph
  readonly floats: readonly number[]
  readonly ints: readonly number[]
  readonly strings: readonly Uint8Array[]
  readonly tensors: readonly OnnxTensor[]
  readonly graphs: readonly OnnxGraph[]
  readonly refAttrName?: string
}

export interface OnnxNode {
  readonly input: readonly string[]
  readonly output: readonly string[]
  readonly name?: string
  readonly opType?: string
  readonly domain?: string
  readonly docString?: string
  readonly attribute: readonly OnnxAttribute[]
}

export interface OnnxDimension {
  readonly dimValue?: number
  readonly dimParam?: string
}

export interface OnnxValueInfo {
  readonly name?: string
  readonly type?: {
    readonly tensorType?: { readonly elemType?: number; readonly shape?: { readonly dim: readonly OnnxDimension[] } }
  }
}

export interface OnnxGraph {
  readonly name?: string
  readonly docString?: string
  readonly node: readonly OnnxNode[]
  readonly initializer: readonly OnnxTensor[]
  readonly input: readonly OnnxValueInfo[]
  readonly output: readonly OnnxValueInfo[]
  readonly valueInfo: readonly OnnxValueInfo[]
  readonly sparseInitializer: readonly { readonly values?: OnnxTensor }[]
}

export interface OnnxModel {
  readonly irVersion?: number
  readonly opsetImport: readonly { readonly domain?: string; readonly version?: number }[]
  readonly producerName?: string
  readonly producerVersion?: string
  readonly domain?: string
  readonly modelVersion?: number
  readonly docString?: string
  readonly graph?: OnnxGraph
  readonly metadataProps: readonly OnnxEntry[]
  readonly functions: readonly { readonly name?: string; readonly domain?: string }[]
}

/** A model, or a part of one, to be written: whatever is left out is not written. */
export type Writable<T> = T extends Uint8Array | number | string
  ? T
  : T extends readonly (infer E)[]
    ? readonly Writable<E>[]
    : { readonly [K in keyof T]?: Writable<T[K]> }

const ROOT = protobuf.Root.fromJSON(SCHEMA)

function corrupt(file: string, reason: string, cause?: unknown): never {
  throw new AdytonError('file-corrupt', `${file}: ${reason}`, {
    advice: 'Fetch or export the file again.',
    ...(cause === undefined ? {} : { cause }),
  })
}

function decode(type: string, bytes: Uint8Array, file: string): object {
  const problem = checkWire(bytes, SCHEMA, type)
  if (problem !== undefined) corrupt(file, problem)
  const message = ROOT.lookupType(type)
  try {
    const reader = protobuf.Reader.create(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length))
    reader.discardUnknown = true
    // Whole numbers beyond 2^53 lose their last digits; every use checks its range.
    return message.toObject(message.decode(reader), { longs: Number, arrays: true })
  } catch (cause) {
    return corrupt(file, 'not a valid ONNX file', cause)
  }
}

/** A model from the bytes of `file`, which is named in messages. Throws AdytonError 'file-corrupt'. */
export function decodeModel(bytes: Uint8Array, file: string): OnnxModel {
  return decode('ModelProto', bytes, file) as OnnxModel
}

/** A tensor in a file of its own, as ONNX's node tests keep them. */
export function decodeTensor(bytes: Uint8Array, file: string): OnnxTensor {
  return decode('TensorProto', bytes, file) as OnnxTensor
}

export function encodeModel(model: Writable<OnnxModel>): Uint8Array {
  return ROOT.lookupType('ModelProto').encode(model).finish()
}
