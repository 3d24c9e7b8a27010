import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { AdytonError } from '../../core/errors/errors.ts'
import { valueInfo } from '../../core/formats/onnx/make.ts'
import { readNetwork } from '../../core/formats/onnx/network.ts'
import {
  decodeModel,
  encodeModel,
  type OnnxModel,
  type OnnxNode,
  type OnnxTensor,
  type Writable,
} from '../../core/formats/onnx/proto.ts'
import { onnx } from '../../core/formats/onnx/read.ts'
import { failing } from '../fixtures/errors.ts'
import { bytesOf, difference, floats, ints, modelOf, noise, type NodeSpec } from '../fixtures/onnx-models.ts'

let folder: string
beforeAll(() => {
  folder = realpathSync(mkdtempSync(join(tmpdir(), 'adyton-hostile-')))
})
afterAll(() => rmSync(folder, { recursive: true }))

const SMALL = bytesOf({
  opset: 13,
  input: ['N', 2, 5, 5],
  nodes: [
    ['Conv', 'x w b', 'c', { pads: [1, 1, 1, 1] }],
    ['PRelu', 'c s', 'p'],
    ['Reshape', 'p shape', 'f'],
    ['Gemm', 'f v', 'g', { alpha: 0.5 }],
    ['Softmax', 'g', 'y'],
  ],
  weights: { w: [3, 2, 3, 3], b: [3], s: floats([3, 1, 1], 0, 1, 0), shape: ints(0, -1), v: [75, 2] },
})

const read = (bytes: Uint8Array): unknown => readNetwork(decodeModel(bytes, 'hostile.onnx'), 'hostile.onnx', 'hostile')

/** True when the file is read, false when it is refused as it should be; anything else is thrown. */
function readOrRefused(bytes: Uint8Array): boolean {
  try {
    read(bytes)
    return true
  } catch (error) {
    if (error instanceof AdytonError && error.message.length > 10) return false
    throw error
  }
}

describe('damaged ONNX files', () => {
  it('is whole to begin with', () => {
    expect(readOrRefused(SMALL)).toBe(true)
  })

  it('cut off at any byte is refused, or lacks only what is not needed', () => {
    let refused = 0
    for (let length = 0; length < SMALL.length; length++) if (!readOrRefused(SMALL.subarray(0, length))) refused++
    // The version is written first and the graph second to last: what may be missing is the end of the file.
    expect(refused).toBeGreaterThan(0.9 * SMALL.length)
  })

  it('with bits flipped is read or refused', () => {
    const places = fc.uniqueArray(fc.integer({ min: 0, max: 8 * SMALL.length - 1 }), { minLength: 1, maxLength: 8 })
    fc.assert(
      fc.property(places, (bits) => {
        const bytes = SMALL.slice()
        for (const bit of bits) bytes[bit >> 3] ^= 1 << (bit & 7)
        readOrRefused(bytes)
      }),
      { numRuns: 3000 },
    )
  })

  it('of random bytes is refused', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => !readOrRefused(bytes)),
      { numRuns: 1000 },
    )
  })

  it.each([
    ['a length beyond the end', [0x3a, 0xff, 0xff, 0xff, 0xff, 0x0f], /claims 4294967295 bytes of 0/],
    ['an endless number', [0x08, ...Array<number>(12).fill(0xff)], /a number of more than ten bytes/],
    ['a number cut off', [0x08, 0x80], /ends in the middle of a number/],
    ['a group', [0x3b], /an unknown kind of field \(3\)/],
    ['field 0', [0x00, 0x00], /field number 0/],
    ['no bytes', [], /holds no graph/],
  ])('%s', (_, bytes, message) => {
    expect(() => read(Uint8Array.from(bytes))).toThrow(failing('file-corrupt', message))
  })

  it('messages deep inside each other are refused', () => {
    let inner = Uint8Array.of()
    const wrap = (field: number, bytes: Uint8Array): Uint8Array<ArrayBuffer> => {
      const length: number[] = []
      for (let n = bytes.length; ; n >>= 7) {
        length.push(n > 127 ? (n & 127) | 128 : n)
        if (n <= 127) break
      }
      return Uint8Array.from([(field << 3) | 2, ...length, ...bytes])
    }
    // A graph in an attribute of a node of a graph, two hundred times.
    for (let i = 0; i < 200; i++) inner = wrap(1, wrap(5, wrap(6, inner)))
    expect(() => read(wrap(7, inner))).toThrow(failing('file-corrupt', /more than 32 messages inside each other/))
  })

  it('more messages than any network has are refused before they are read', () => {
    const nodes = new Uint8Array(2 * (2 ** 20 + 1))
    for (let i = 0; i < nodes.length; i += 2) nodes[i] = 0x0a
    const header = [0x3a, ...[0, 7, 14, 21].map((shift, i) => ((nodes.length >> shift) & 127) | (i < 3 ? 128 : 0))]
    const bytes = new Uint8Array(header.length + nodes.length)
    bytes.set(header)
    bytes.set(nodes, header.length)
    expect(() => read(bytes)).toThrow(failing('file-corrupt', /holds more than 1048576 messages/))
  })
})

const PLAIN = { opset: 13, input: ['N', 3, 4, 4] }

/** A model with one initializer 'w' and a node that reads it. */
function withTensor(
  tensor: Writable<OnnxTensor>,
  nodes: readonly NodeSpec[] = [['Conv', 'x w', 'y']],
): Writable<OnnxModel> {
  const model = modelOf({ ...PLAIN, nodes })
  return { ...model, graph: { ...model.graph, initializer: [{ name: 'w', dataType: 1, ...tensor }] } }
}

describe('hostile tensors', () => {
  it.each([
    ['of a huge shape', { dims: [2 ** 31, 2 ** 31, 3, 3] }, 'file-unsupported', /tensor 'w' of shape .* is too large/],
    ['of a shape beyond whole numbers', { dims: [2 ** 62, 4] }, 'file-corrupt', /tensor 'w' has shape/],
    ['of a shape below 0', { dims: [-1, 3, 3, 3] }, 'file-corrupt', /tensor 'w' has shape \[-1, 3, 3, 3\]/],
    ['of many axes', { dims: Array<number>(100).fill(1) }, 'file-corrupt', /has 100 axes/],
    ['of too few bytes', { dims: [4, 3, 3, 3], rawData: new Uint8Array(9) }, 'file-corrupt', /takes 432 bytes, got 9/],
    ['of no numbers', { dims: [4, 3, 3, 3] }, 'file-corrupt', /takes 432 bytes, got 0/],
    ['of too many numbers', { dims: [1], floatData: [1, 2] }, 'file-corrupt', /takes 4 bytes, got 8/],
    ['of text', { dims: [1], dataType: 8 }, 'file-unsupported', /tensor 'w' is of type string/],
    ['of no type', { dims: [1], dataType: 0 }, 'file-unsupported', /tensor 'w' is of type/],
  ])('%s', (_, tensor, code, message) => {
    expect(() => read(encodeModel(withTensor(tensor)))).toThrow(failing(code, message))
  })

  it('a list of axes with many numbers', () => {
    const model = withTensor({ dataType: 7, dims: [1000], int64Data: Array<number>(1000).fill(1) }, [
      ['Reshape', 'x w', 'y'],
    ])
    expect(() => read(encodeModel(model))).toThrow(failing('file-unsupported', /its shape has 1000 numbers/))
  })

  it('an input of a huge size', () => {
    const model = modelOf({ ...PLAIN, input: ['N', 2 ** 12, 2 ** 12, 2 ** 12], nodes: [['Relu', 'x', 'y']] })
    expect(() => read(encodeModel(model))).toThrow(failing('file-unsupported', /68719476736 elements/))
  })

  it('a constant that grows without end', () => {
    const nodes: NodeSpec[] = [['ConstantOfShape', 'w', 'k0']]
    for (let i = 0; i < 100; i++) nodes.push(['Add', `k${i} k${i}`, `k${i + 1}`])
    nodes.push(['Add', 'x k100', 'y'])
    const model = withTensor({ dataType: 7, dims: [1], int64Data: [2 ** 22] }, nodes)
    expect(() => read(encodeModel(model))).toThrow(failing('file-unsupported', /its constants grow too large/))
  })

  it('kernels that grow by their dilation', () => {
    const nodes = Array.from({ length: 600 }, (_, i): NodeSpec => [
      'Conv',
      `${i === 0 ? 'x' : `c${i - 1}`} w`,
      i === 599 ? 'y' : `c${i}`,
      { dilations: [200, 200], pads: [100, 100, 100, 100] },
    ])
    const model = withTensor({ dims: [3, 3, 2, 2], floatData: Array<number>(36).fill(1) }, nodes)
    expect(() => read(encodeModel(model))).toThrow(failing('file-unsupported', /too many weights/))
  })
})

describe('hostile graphs', () => {
  const reads = (input: string, output: string): NodeSpec => ['Relu', input, output]
  it.each([
    [
      'a cycle',
      [reads('b', 'a'), reads('a', 'b'), ['Add', 'x b', 'y']],
      /node 'a' \(Relu\): reads 'b', which no node before/,
    ],
    ['a node that reads itself', [['Add', 'x y', 'y']], /node 'y' \(Add\): reads 'y', which no node before/],
    ['nodes out of order', [reads('a', 'y'), reads('x', 'a')], /node 'y' \(Relu\): reads 'a', which no node before/],
    ['a value that is not there', [reads('z', 'y')], /reads 'z', which no node before it writes/],
    [
      'a value that is written twice',
      [reads('x', 'y'), reads('x', 'y')],
      /writes 'y', which something else has written/,
    ],
    ['the input written again', [reads('x', 'x'), reads('x', 'y')], /writes 'x', which something else has written/],
    ['a node without inputs', [['Relu', '', 'y']], /node 'y' \(Relu\): has no input 1/],
    ['a concat of nothing', [['Concat', '', 'y', { axis: 1 }]], /has no inputs/],
    ['an axis that is not there', [['Concat', 'x x', 'y', { axis: 9 }]], /axis 9 of a value with 4 axes/],
    [
      'an axis beyond whole numbers',
      [['Concat', 'x x', 'y', { axis: 2 ** 62 }]],
      /axis 4611686018427388000 of a value/,
    ],
  ] as readonly (readonly [string, readonly NodeSpec[], RegExp])[])('%s', (_, nodes, message) => {
    expect(() => read(encodeModel(modelOf({ ...PLAIN, nodes })))).toThrow(failing('file-unsupported', message))
  })

  const chain = (length: number, link: (from: string, to: string) => NodeSpec): Uint8Array => {
    const name = (i: number): string => (i === 0 ? 'x' : i === length ? 'y' : `n${i}`)
    const nodes = Array.from({ length }, (_, i) => link(name(i), name(i + 1)))
    return encodeModel(modelOf({ ...PLAIN, nodes }))
  }

  it('a chain of 1,000 layers is read', () => {
    expect(readOrRefused(chain(1000, reads))).toBe(true)
  })

  it('a chain of 20,000 operators that do nothing is read', () => {
    const bytes = chain(20_000, (from, to) => (to === 'y' ? reads(from, to) : ['Identity', from, to]))
    expect(readOrRefused(bytes)).toBe(true)
  })

  it('more layers than can be run are refused', () => {
    expect(() => read(chain(2001, reads))).toThrow(failing('file-unsupported', /more than 2000 layers/))
  })

  it('more nodes than are read are refused', () => {
    const bytes = chain(50_001, (from, to) => ['Identity', from, to])
    expect(() => read(bytes)).toThrow(failing('file-unsupported', /50001 nodes/))
  })

  it('graphs inside a node are refused with the node', () => {
    const model = modelOf({ ...PLAIN, nodes: [['If', 'x', 'y']] })
    const branch: Writable<OnnxNode> = {
      ...model.graph?.node?.[0],
      attribute: [{ name: 'then_branch', type: 5, g: model.graph ?? {} }],
    }
    const bytes = encodeModel({ ...model, graph: { ...model.graph, node: [branch] } })
    expect(() => read(bytes)).toThrow(failing('file-unsupported', /node 'y' \(If\): networks with loops or branches/))
  })

  it('an input with a name of a million letters gives a short message', () => {
    const name = 'n'.repeat(1_000_000)
    const model = modelOf({ ...PLAIN, nodes: [['Sigmoid', 'x', name]], output: name })
    const graph = { ...model.graph, input: [valueInfo('x', PLAIN.input)] }
    expect(() => read(encodeModel({ ...model, graph }))).toThrow(failing('file-unsupported', /^.{50,400}$/))
  })
})

describe('weights in another file', () => {
  const weights = noise(1, 108)

  async function readWith(entries: Readonly<Record<string, string>>, files: readonly string[] = ['data.bin']) {
    const home = mkdtempSync(join(folder, 'model-'))
    for (const file of files) writeFileSync(join(home, file), weights)
    const externalData = Object.entries(entries).map(([key, value]) => ({ key, value }))
    const path = join(home, 'model.onnx')
    writeFileSync(path, encodeModel(withTensor({ dims: [4, 3, 3, 3], dataLocation: 1, externalData })))
    return { home, network: await onnx.read(path) }
  }

  it('beside the model are read, and by the reference too', async () => {
    const { network } = await readWith({ location: 'data.bin', offset: '0', length: '432' })
    expect(network.tensors.get('y.weight')?.data).toEqual(weights)
    expect(await difference(network)).toBeLessThan(1e-5)
  })

  it('in a folder beside the model are read', async () => {
    const home = mkdtempSync(join(folder, 'nested-'))
    mkdirSync(join(home, 'parts'))
    writeFileSync(join(home, 'parts', 'data.bin'), weights)
    const externalData = [{ key: 'location', value: 'parts/data.bin' }]
    writeFileSync(join(home, 'm.onnx'), encodeModel(withTensor({ dims: [4, 3, 3, 3], dataLocation: 1, externalData })))
    expect((await onnx.read(join(home, 'm.onnx'))).tensors.get('y.weight')?.data).toEqual(weights)
  })

  it.each([
    ['an absolute path', { location: '/etc/passwd' }, /names data outside the model's folder/],
    ["a path with '..'", { location: '../data.bin' }, /names data outside the model's folder/],
    ["a path with '..' in the middle", { location: 'a/../../data.bin' }, /names data outside the model's folder/],
    ["a path with '..' for Windows", { location: 'a\\..\\..\\data.bin' }, /names data outside the model's folder/],
    ['a drive', { location: 'C:\\data.bin' }, /names data outside the model's folder/],
    ['a zero byte', { location: 'data.bin\0' }, /names data outside the model's folder/],
    ['no path', {}, /names data outside the model's folder/],
    ['the folder itself', { location: '.' }, /names data outside the model's folder|is no file/],
    [
      'an offset beyond the end',
      { location: 'data.bin', offset: '4' },
      /ends at byte 436 of 'data.bin', which has 432/,
    ],
    ['a negative offset', { location: 'data.bin', offset: '-4' }, /has offset '-4'/],
    ['an offset that is no number', { location: 'data.bin', offset: '1e3' }, /has offset '1e3'/],
    ['another length', { location: 'data.bin', length: '100' }, /takes 432 bytes, 'data.bin' is said to hold 100/],
  ])('%s is refused', async (_, entries, message) => {
    await expect(readWith(entries as Record<string, string>)).rejects.toEqual(failing('file-corrupt', message))
  })

  it('that are not there are named', async () => {
    await expect(readWith({ location: 'other.bin' })).rejects.toEqual(
      failing('file-not-found', /has its data in 'other.bin', which cannot be read/),
    )
  })

  it('behind a link that leads outside are refused', async () => {
    const home = mkdtempSync(join(folder, 'linked-'))
    writeFileSync(join(folder, 'secret.bin'), weights)
    symlinkSync(join(folder, 'secret.bin'), join(home, 'data.bin'))
    const externalData = [{ key: 'location', value: 'data.bin' }]
    writeFileSync(join(home, 'm.onnx'), encodeModel(withTensor({ dims: [4, 3, 3, 3], dataLocation: 1, externalData })))
    await expect(onnx.read(join(home, 'm.onnx'))).rejects.toEqual(failing('file-corrupt', /outside the model's folder/))
  })
})
