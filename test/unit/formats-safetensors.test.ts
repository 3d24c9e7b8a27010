import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { AdytonError } from '../../core/errors/errors.ts'
import { float16From, float16To } from '../../core/formats/float16.ts'
import { readSafetensors, writeSafetensors } from '../../core/formats/safetensors.ts'
import type { Tensor } from '../../core/network/graph.ts'

/** A file by hand: header text and data bytes. */
function file(header: string | object, data: Uint8Array = new Uint8Array(0), claimed?: bigint): Uint8Array {
  const text = new TextEncoder().encode(typeof header === 'string' ? header : JSON.stringify(header))
  const out = new Uint8Array(8 + text.length + data.length)
  new DataView(out.buffer).setBigUint64(0, claimed ?? BigInt(text.length), true)
  out.set(text, 8)
  out.set(data, 8 + text.length)
  return out
}

describe('safetensors', () => {
  it('reads a file laid out by hand, from a buffer at any alignment', () => {
    const data = new Uint8Array(4 * 3 + 2 * 2 + 2)
    const view = new DataView(data.buffer)
    view.setFloat32(0, 1.5, true)
    view.setFloat32(4, -2, true)
    view.setFloat32(8, 0.1, true)
    view.setUint16(12, 0x3c00, true) // 1
    view.setUint16(14, 0xc100, true) // -2.5
    data.set([7, 255], 16)
    const bytes = file(
      {
        __metadata__: { format: 'pt' },
        a: { dtype: 'F32', shape: [3], data_offsets: [0, 12] },
        h: { dtype: 'F16', shape: [1, 2], data_offsets: [12, 16] },
        m: { dtype: 'U8', shape: [2], data_offsets: [16, 18] },
      },
      data,
    )
    for (const shift of [0, 1, 3]) {
      const pooled = Buffer.alloc(bytes.length + 8)
      pooled.set(bytes, shift)
      const { tensors, metadata } = readSafetensors(pooled.subarray(shift, shift + bytes.length))
      expect(tensors.get('a')).toEqual({ shape: [3], data: Float32Array.of(1.5, -2, 0.1) })
      expect(tensors.get('h')).toEqual({ shape: [1, 2], data: Float32Array.of(1, -2.5) })
      expect(tensors.get('m')).toEqual({ shape: [2], data: Uint8Array.of(7, 255) })
      expect(metadata).toEqual({ format: 'pt' })
    }
  })

  it('does not share memory with the file', () => {
    const bytes = Buffer.from(writeSafetensors(new Map([['m', { shape: [2], data: Uint8Array.of(1, 2) }]])))
    const data = readSafetensors(bytes).tensors.get('m')?.data
    bytes.fill(0)
    expect(data).toEqual(Uint8Array.of(1, 2))
  })

  it('round-trips any tensors', () => {
    const tensor: fc.Arbitrary<Tensor> = fc.oneof(
      fc.float32Array().map((data) => ({ shape: [data.length], data: Float32Array.from(data) })),
      fc.uint8Array().map((data) => ({ shape: [1, data.length], data: Uint8Array.from(data) })),
    )
    fc.assert(
      fc.property(fc.uniqueArray(fc.tuple(fc.string(), tensor), { selector: ([name]) => name }), (entries) => {
        // The format keeps that name for itself.
        const tensors = new Map(entries.filter(([name]) => name !== '__metadata__'))
        expect(readSafetensors(writeSafetensors(tensors)).tensors).toEqual(tensors)
      }),
      { numRuns: 100 },
    )
  })

  it('aligns its data to eight bytes and stores halves on request', () => {
    const tensors = new Map<string, Tensor>([
      ['m', { shape: [1], data: Uint8Array.of(1) }],
      ['w', { shape: [2], data: Float32Array.of(0.5, 1 / 3) }],
    ])
    const bytes = writeSafetensors(tensors, { half: true })
    expect(Number(new DataView(bytes.buffer).getBigUint64(0, true)) % 8).toBe(0)
    const back = readSafetensors(bytes).tensors.get('w')?.data ?? []
    expect(back[0]).toBe(0.5)
    expect(Math.abs(back[1] - 1 / 3)).toBeLessThan(2 ** -12)
    expect(bytes.length).toBe(writeSafetensors(tensors).length - 4)
  })

  const good = { dtype: 'U8', shape: [2], data_offsets: [0, 2] }
  const two = Uint8Array.of(1, 2)
  it.each<[string, Uint8Array, RegExp]>([
    ['nothing', new Uint8Array(0), /too few/],
    ['a header beyond the file', file('{}', two, 1000n), /claims 1000 bytes/],
    ['a header of 2^63 bytes', file('{}', two, 2n ** 63n), /claims/],
    ['no JSON', file('{', two), /not valid JSON/],
    ['a list', file('[]'), /not an object/],
    ['an entry that is no entry', file({ a: 3 }, two), /'a'.*not valid/],
    ['a negative offset', file({ a: { ...good, data_offsets: [-1, 1] } }, two), /'a'.*data_offsets/],
    ['an end beyond the data', file({ a: { ...good, shape: [3], data_offsets: [0, 3] } }, two), /'a'.*0 to 3 of 2/],
    ['an end before the beginning', file({ a: { ...good, data_offsets: [2, 0] } }, two), /'a'/],
    ['a size that is not the shape', file({ a: { ...good, shape: [1] } }, two), /'a'.*takes 1 bytes, got 2/],
    ['a shape that overflows', file({ a: { ...good, shape: [2 ** 50, 2 ** 50] } }, two), /'a'/],
    ['tensors that overlap', file({ a: good, b: good }, two), /'b' begins at 0, expected 2/],
    ['a hole', file({ a: { ...good, shape: [1], data_offsets: [1, 2] } }, two), /begins at 1, expected 0/],
    [
      'bytes of no tensor',
      file({ a: { ...good, shape: [1], data_offsets: [0, 1] } }, two),
      /1 bytes belong to no tensor/,
    ],
    ['metadata that are no strings', file({ __metadata__: { a: 1 } }), /__metadata__/],
  ])('refuses %s, naming file and reason', (_, bytes, message) => {
    try {
      readSafetensors(bytes, 'weights.safetensors')
    } catch (error) {
      if (!(error instanceof AdytonError)) throw error
      expect(error.code).toBe('file-corrupt')
      expect(error.message).toMatch(/^weights\.safetensors: /)
      expect(error.message).toMatch(message)
      return
    }
    throw new Error('the file was accepted')
  })

  it('names types it cannot read', () => {
    const bytes = file({ a: { dtype: 'BF16', shape: [1], data_offsets: [0, 2] } }, two)
    expect(() => readSafetensors(bytes)).toThrow(expect.objectContaining({ code: 'file-unsupported' }))
  })

  it('never fails in another way on damaged files', () => {
    const bytes = writeSafetensors(new Map([['w', { shape: [2, 2], data: Float32Array.of(1, 2, 3, 4) }]]))
    fc.assert(
      fc.property(fc.nat(bytes.length - 1), fc.nat(255), fc.nat(bytes.length), (at, byte, length) => {
        const damaged = bytes.slice(0, Math.max(at + 1, length))
        damaged[at] = byte
        try {
          readSafetensors(damaged)
        } catch (error) {
          expect(error).toBeInstanceOf(AdytonError)
        }
      }),
      { numRuns: 500 },
    )
  })
})

describe('float16', () => {
  it('knows all 65,536 values: all but NaN survive a round trip', () => {
    const bits = Uint16Array.from({ length: 65536 }, (_, i) => i)
    const values = float16To(bits)
    const back = float16From(values)
    for (let i = 0; i < 65536; i++) {
      const exponent = (i >>> 10) & 31
      if (exponent === 31 && (i & 1023) !== 0) expect(values[i]).toBeNaN()
      else expect(back[i]).toBe(i)
    }
    // Spot values of IEEE 754 binary16: one, the largest, the smallest normal and the smallest subnormal.
    expect([0x3c00, 0x7bff, 0x0400, 0x0001].map((i) => values[i])).toEqual([1, 65504, 2 ** -14, 2 ** -24])
  })

  it('rounds to the nearest, ties to even, and overflows to infinity', () => {
    const of = (x: number): number => float16From(Float32Array.of(x))[0]
    expect(of(1 + 2 ** -11)).toBe(0x3c00)
    expect(of(1 + 3 * 2 ** -11)).toBe(0x3c02)
    expect(of(2 - 2 ** -12)).toBe(0x4000)
    expect(of(2 ** -25)).toBe(0)
    expect(of(2 ** -14 - 2 ** -25)).toBe(0x0400)
    expect(of(65519)).toBe(0x7bff)
    expect(of(65520)).toBe(0x7c00)
    expect(of(-Infinity)).toBe(0xfc00)
  })
})
