/**
 * A walk over the wire format of protocol buffers before anything is decoded: every length lies inside its message, and
 * what decoding would allocate is bounded, since two bytes of a file can become an object of hundreds.
 * (protobuf.dev/programming-guides/encoding)
 */
import type { INamespace, IType } from 'protobufjs/light.js'

/** Bounds of a file; a network of 2,000 layers stays far below them. Raw bytes are views and need none. */
const MAX = {
  depth: 32,
  /** Messages, strings and byte fields. */
  messages: 2 ** 20,
  /** Whole numbers in lists. */
  integers: 2 ** 22,
  /** Floating-point numbers in lists. */
  floats: 2 ** 26,
}

const WIRE = { varint: 0, fixed64: 1, bytes: 2, fixed32: 5 } as const
const FLOAT_BYTES: Readonly<Record<string, number>> = { float: 4, double: 8 }
const INTEGERS = new Set(['int32', 'int64', 'uint64'])

type Fields = ReadonlyMap<number, string>

function fieldsOf(schema: INamespace): ReadonlyMap<string, Fields> {
  const types = Object.entries((schema.nested ?? {}) as Record<string, IType>)
  return new Map(
    types.map(([name, type]) => [name, new Map(Object.values(type.fields).map((field) => [field.id, field.type]))]),
  )
}

/** What is wrong with `bytes` as a message `type` of `schema`; undefined when it may be decoded. */
export function checkWire(bytes: Uint8Array, schema: INamespace, type: string): string | undefined {
  const types = fieldsOf(schema)
  const counts = { messages: 0, integers: 0, floats: 0 }
  let at = 0

  const varint = (end: number): number => {
    let value = 0
    for (let i = 0; i < 10; i++) {
      if (at >= end) throw new Damage(`ends in the middle of a number at byte ${at}`)
      const byte = bytes[at++]
      value += (byte & 0x7f) * 2 ** (7 * i)
      if (byte < 0x80) return value
    }
    throw new Damage(`a number of more than ten bytes at byte ${at - 10}`)
  }
  const count = (kind: keyof typeof counts, n: number): void => {
    counts[kind] += n
    if (counts[kind] > MAX[kind]) throw new Damage(`holds more than ${MAX[kind]} ${kind}`)
  }
  const skip = (n: number, end: number): void => {
    if (n > end - at) throw new Damage(`a field at byte ${at} claims ${n} bytes of ${end - at}`)
    at += n
  }
  const walk = (fields: Fields, end: number, depth: number): void => {
    if (depth > MAX.depth) throw new Damage(`more than ${MAX.depth} messages inside each other`)
    while (at < end) {
      const start = at
      const key = varint(end)
      const kind = key % 8
      const field = fields.get(Math.floor(key / 8))
      const floatBytes = FLOAT_BYTES[field ?? '']
      if (key < 8 || key >= 2 ** 32) throw new Damage(`field number ${Math.floor(key / 8)} at byte ${start}`)
      if (kind === WIRE.varint) {
        varint(end)
        count('integers', 1)
      } else if (kind === WIRE.fixed32 || kind === WIRE.fixed64) {
        skip(kind === WIRE.fixed32 ? 4 : 8, end)
        count('floats', 1)
      } else if (kind === WIRE.bytes) {
        const length = varint(end)
        const from = at
        skip(length, end)
        const nested = field === undefined ? undefined : types.get(field)
        if (floatBytes !== undefined) {
          if (length % floatBytes !== 0) throw new Damage(`${length} bytes of ${field} at byte ${from}`)
          count('floats', length / floatBytes)
        } else if (INTEGERS.has(field ?? '')) {
          count('integers', numbersIn(bytes, from, at))
        } else {
          count('messages', 1)
          if (nested !== undefined) {
            at = from
            walk(nested, from + length, depth + 1)
          }
        }
      } else throw new Damage(`an unknown kind of field (${kind}) at byte ${start}`)
    }
  }

  try {
    walk(types.get(type) ?? new Map<number, string>(), bytes.length, 0)
    return undefined
  } catch (error) {
    if (error instanceof Damage) return error.message
    throw error
  }
}

class Damage extends Error {}

/** Varints that end between two bytes of a packed field. */
function numbersIn(bytes: Uint8Array, from: number, to: number): number {
  let n = 0
  for (let i = from; i < to; i++) if (bytes[i] < 0x80) n++
  return n
}
