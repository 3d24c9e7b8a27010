/** Damaged and hostile files of Keras and TensorFlow.js: an AdytonError always, quickly, and nothing else. */
import { mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { deflateRawSync } from 'node:zlib'
import { beforeAll, describe, expect, it } from 'vitest'
import { AdytonError } from '../../core/errors/errors.ts'
import { networkOf, readKeras } from '../../core/formats/keras/read-keras.ts'
import { storedWeights } from '../../core/formats/keras/weights.ts'
import { readTfjs } from '../../core/formats/tfjs/read-tfjs.ts'
import {
  keras2Config,
  keras3Arrays,
  keras3Config,
  layers,
  numbers,
  randomise,
  temporary,
  tfjsFiles,
  write,
  writeHdf5,
  writeKeras3,
  writeLegacy,
  writeTfjs,
  zipped,
  type LayerJson,
  type TfjsFiles,
} from './formats-keras-helpers.ts'

async function refusal(read: Promise<unknown> | (() => unknown)): Promise<AdytonError> {
  const promise = typeof read === 'function' ? Promise.resolve().then(read) : read
  const error: unknown = await promise.then(
    () => undefined,
    (caught: unknown) => caught,
  )
  expect(error).toBeInstanceOf(AdytonError)
  return error as AdytonError
}

const small = layers.sequential({ name: 'small' })
small.add(layers.layers.conv2d({ filters: 3, kernelSize: 2, inputShape: [4, 4, 1] }))
small.add(layers.layers.globalAveragePooling2d({}))
small.add(layers.layers.dense({ units: 2, name: 'last' }))
randomise(small)

/** One entry of a zip, with sizes that need not be true. */
function zipOf(name: string, data: Uint8Array, claimed: { size: number; crc: number; method: number }): Buffer {
  const text = Buffer.from(name)
  const local = Buffer.alloc(30)
  local.writeUInt32LE(0x04034b50, 0)
  const common = (to: Buffer, at: number): void => {
    to.writeUInt16LE(20, at)
    to.writeUInt16LE(claimed.method, at + 4)
    to.writeUInt32LE(claimed.crc, at + 10)
    to.writeUInt32LE(data.length, at + 14)
    to.writeUInt32LE(claimed.size, at + 18)
    to.writeUInt16LE(text.length, at + 22)
  }
  common(local, 4)
  const central = Buffer.alloc(46)
  central.writeUInt32LE(0x02014b50, 0)
  central.writeUInt16LE(20, 4)
  common(central, 6)
  const end = Buffer.alloc(22)
  end.writeUInt32LE(0x06054b50, 0)
  end.writeUInt16LE(1, 8)
  end.writeUInt16LE(1, 10)
  end.writeUInt32LE(central.length + text.length, 12)
  end.writeUInt32LE(local.length + text.length + data.length, 16)
  return Buffer.concat([local, text, data, central, text, end])
}

describe('.keras archives', () => {
  it('cut short anywhere', async () => {
    const whole = await zipped({
      'config.json': JSON.stringify(keras3Config(keras2Config(small))),
      'model.weights.h5': writeHdf5({ arrays: keras3Arrays(small) }),
    })
    for (const part of [0, 1, 3, 4, 20, 100, 0.5, 0.9, 0.999]) {
      const length = part < 1 ? Math.floor(whole.length * part) : part
      expect((await refusal(readKeras(write('cut.keras', whole.subarray(0, length))))).code).toBe('file-corrupt')
    }
  })

  it('entries that grow beyond what they may, declared or not', async () => {
    const zeros = Buffer.alloc(64 * 2 ** 20)
    const squeezed = deflateRawSync(zeros)
    const declared = zipOf('model.weights.h5', squeezed, { size: zeros.length, crc: 0, method: 8 })
    expect((await refusal(readKeras(write('bomb.keras', declared)))).message).toMatch(
      /grows from \d+ to 67108864 bytes/,
    )
    const undeclared = zipOf('model.weights.h5', squeezed, { size: 1000, crc: 0, method: 8 })
    expect((await refusal(readKeras(write('bomb.keras', undeclared)))).message).toMatch(/too many bytes|more bytes/)
    const huge = zipOf('model.weights.h5', squeezed, { size: 2 ** 32 - 2, crc: 0, method: 8 })
    expect((await refusal(readKeras(write('bomb.keras', huge)))).message).toMatch(/declares 4294967294 bytes/)
    const wrong = zipOf('config.json', deflateRawSync(Buffer.from('{}')), { size: 2, crc: 7, method: 8 })
    expect((await refusal(readKeras(write('wrong.keras', wrong)))).message).toMatch(/checksum/)
  })

  it('entries that lead out, and entries that are not there', async () => {
    const out = zipOf('../config.json', Buffer.from('{}'), { size: 2, crc: 0, method: 0 })
    expect((await refusal(readKeras(write('slip.keras', out)))).message).toMatch(/relative path/)
    expect((await refusal(readKeras(write('none.keras', await zipped({ other: 'x' }))))).message).toMatch(
      /no config.json/,
    )
    expect((await refusal(readKeras(temporary('nowhere.keras')))).code).toBe('file-not-found')
  })
})

describe('HDF5', () => {
  let whole: Buffer
  beforeAll(async () => {
    const { readFileSync } = await import('node:fs')
    whole = readFileSync(writeLegacy(keras2Config(small), small, () => '', ':0'))
  })

  it('garbage, cut files and flipped bytes', async () => {
    expect((await refusal(readKeras(write('a.h5', 'garbage')))).code).toBe('file-corrupt')
    expect((await refusal(readKeras(write('a.h5', '')))).code).toBe('file-corrupt')
    const signature = whole.subarray(0, 8)
    expect(
      (await refusal(readKeras(write('a.h5', Buffer.concat([signature, Buffer.from(numbers(999, 1).buffer)]))))).code,
    ).toBe('file-corrupt')
    expect((await refusal(readKeras(write('a.h5', whole.subarray(0, whole.length >> 1))))).code).toBe('file-corrupt')
    for (const seed of [1, 2, 3, 4]) {
      const flipped = Buffer.from(whole)
      for (const at of numbers(200, seed, 8, whole.length)) flipped[Math.floor(at)] ^= 0xff
      await readKeras(write('a.h5', flipped)).catch((error: unknown) => expect(error).toBeInstanceOf(AdytonError))
    }
  })

  it('files without a model, and more numbers than any network has', async () => {
    const arrays = new Map([['model_weights/a', { shape: [2], data: Float32Array.of(1, 2) }]])
    expect((await refusal(readKeras(write('a.h5', writeHdf5({ arrays }))))).message).toMatch(/weights but no model/)
    // Declared, but never written: the bound is on what is declared.
    const grow = 2 ** 28 + 1
    const huge = writeHdf5({
      arrays: new Map([['model_weights/a', { shape: [2], data: Float32Array.of(1, 2), grow }]]),
    })
    expect(huge.length).toBeLessThan(2 ** 20)
    expect((await refusal(readKeras(write('a.h5', huge)))).message).toMatch(/more than 268435456 numbers/)
  })
})

describe('configurations', () => {
  const from = (config: unknown) =>
    refusal(() => networkOf('f', config, storedWeights(keras3Arrays(small), new Map()), undefined))
  const functional = (list: unknown[], output = 'b'): unknown => ({
    class_name: 'Functional',
    config: { name: 'f', layers: list, input_layers: [['a', 0, 0]], output_layers: [[output, 0, 0]] },
  })
  const input = { class_name: 'InputLayer', config: { name: 'a', batch_shape: [null, 4, 4, 1] }, inbound_nodes: [] }
  const layer = (name: string, ...nodes: [string, number][]) => ({
    ...{ class_name: 'Dropout', config: { name } },
    inbound_nodes: nodes.map(([from, call]) => [[from, call, 0, {}]]),
  })

  it('that are none', async () => {
    for (const config of [
      null,
      7,
      'x',
      [],
      {},
      { class_name: 'Sequential' },
      { class_name: 'Sequential', config: 7 },
    ]) {
      expect((await from(config)).code).toBe('file-corrupt')
    }
    expect((await from({ class_name: 'Sequential', config: { layers: [] } })).message).toMatch(/no layers/)
    expect((await from({ class_name: 'Wide', config: {} })).message).toMatch(/\(Wide\): not a layer/)
  })

  it('with cycles, missing layers and names twice', async () => {
    expect((await from(functional([input, layer('b', ['c', 0]), layer('c', ['b', 0])]))).message).toMatch(
      /its own output/,
    )
    expect((await from(functional([input, layer('b', ['c', 0])]))).message).toMatch(/no call 0 of a layer 'c'/)
    expect((await from(functional([input, layer('b', ['a', 3])]))).message).toMatch(/no call 3 of a layer 'a'/)
    expect((await from(functional([input, layer('b', ['a', 0]), layer('b', ['a', 0])]))).message).toMatch(
      /two layers are called/,
    )
    expect((await from(functional([input], '__proto__'))).message).toMatch(/no call 0 of a layer '__proto__'/)
  })

  it('that call layers without end', async () => {
    const calls = Array.from({ length: 30_000 }, (_, i): [string, number] => (i === 0 ? ['a', 0] : ['b', i - 1]))
    const config = functional([input, layer('b', ...calls)]) as { config: { output_layers: unknown } }
    config.config.output_layers = [['b', 29_999, 0]]
    expect((await from(config)).message).toMatch(/more than 20000 calls/)
    // Models that call models that call models, a hundred times each.
    const nest = (depth: number): LayerJson => {
      const name = `m${depth}`
      const inner = depth === 0 ? layer('d', ['a', 0]) : { ...nest(depth - 1), inbound_nodes: [] as unknown[] }
      const own = depth === 0 ? 'd' : `m${depth - 1}`
      const nodes = Array.from({ length: 100 }, (_, i) => [[i === 0 ? 'a' : own, i === 0 ? 0 : i - 1, 0, {}]])
      const list = [input, { ...inner, name: own, inbound_nodes: nodes }]
      const config = { name, layers: list, input_layers: [['a', 0, 0]], output_layers: [[own, 99, 0]] }
      return { class_name: 'Functional', config }
    }
    expect((await from(nest(6))).message).toMatch(/more than 20000 calls/)
    expect((await from(nest(12))).message).toMatch(/models within models/)
  })

  it('with huge shapes', async () => {
    const shapes = [
      [2 ** 30, 2 ** 30, 3],
      [1e308, 1, 1],
      [-1, 4, 1],
      [4.5, 4, 1],
      [1, 1, 1, 1, 1],
      ['4', 4, 1],
      [2 ** 20, 2 ** 20, 1],
    ]
    for (const shape of shapes) {
      const config = { ...input.config, batch_shape: [null, ...shape] }
      await from(functional([{ ...input, config }, layer('b', ['a', 0])]))
    }
    const conv = (config: Record<string, unknown>): unknown => ({
      class_name: 'Sequential',
      config: {
        layers: [input, { class_name: 'Conv2D', config: { name: 'c', filters: 3, kernel_size: 2, ...config } }],
      },
    })
    for (const config of [
      { filters: 2 ** 60 },
      { kernel_size: [2, 1e9] },
      { dilation_rate: 200 },
      { strides: 0 },
      { groups: 2 },
    ]) {
      await from(conv(config))
    }
    const pads = { class_name: 'ZeroPadding2D', config: { name: 'z', padding: 1e9 } }
    expect((await from({ class_name: 'Sequential', config: { layers: [input, pads] } })).message).toMatch(
      /padding 1000000000/,
    )
    const pool = { class_name: 'AveragePooling2D', config: { name: 'p', pool_size: 1e9 } }
    expect((await from({ class_name: 'Sequential', config: { layers: [input, pool] } })).message).toMatch(
      /pool_size 1000000000/,
    )
  })

  it('whose kernels would grow without end', async () => {
    // A few bytes of weights, with 128 rows of zeros around them, in layer after layer.
    const wide = Array.from({ length: 40 }, (_, i) => [
      {
        class_name: 'ZeroPadding2D',
        config: {
          name: `z${i}`,
          padding: [
            [0, 128],
            [0, 128],
          ],
        },
      },
      { class_name: 'Conv2D', config: { name: `c${i}`, filters: 16, kernel_size: 1, use_bias: false } },
      { class_name: 'MaxPooling2D', config: { name: `p${i}`, pool_size: 33, strides: 33 } },
    ]).flat()
    const first = { class_name: 'InputLayer', config: { name: 'a', batch_shape: [null, 4, 4, 16] } }
    const arrays = new Map(
      wide.flatMap((_, i) => [
        [`layers/conv2d${i === 0 ? '' : `_${i}`}/vars/0`, { shape: [1, 1, 16, 16], data: numbers(256, i) }] as const,
      ]),
    )
    const config = { class_name: 'Sequential', config: { layers: [first, ...wide] } }
    const error = await refusal(() => networkOf('f', config, storedWeights(arrays, new Map()), undefined))
    expect(error.message).toMatch(/(more than 268435456|too many) weights/)
  })
})

describe('TensorFlow.js files', () => {
  let files: TfjsFiles
  beforeAll(async () => {
    files = await tfjsFiles(small)
  })
  const withManifest = (edit: (group: { paths: string[]; weights: Record<string, unknown>[] }) => void): string => {
    const json = structuredClone(files.json) as { weightsManifest: Parameters<typeof edit>[0][] } & Record<
      string,
      unknown
    >
    edit(json.weightsManifest[0])
    return writeTfjs({ json, data: files.data })
  }

  it('paths that lead out of the folder', async () => {
    const names = [
      '../x.bin',
      '/etc/passwd',
      'a/../../x.bin',
      '..\\x.bin',
      'C:\\x.bin',
      'file:///etc/passwd',
      'https://example.org/x.bin',
      'a\0b',
      '',
    ]
    for (const name of names) {
      const error = await refusal(readTfjs(withManifest((group) => (group.paths[0] = name))))
      expect(error.message).toMatch(/names weights outside its folder/)
    }
    const path = withManifest((group) => (group.paths[0] = 'link.bin'))
    symlinkSync('/etc/passwd', join(dirname(path), 'link.bin'))
    expect((await refusal(readTfjs(path))).message).toMatch(/names weights outside its folder/)
  })

  it('files that are missing, folders, and lengths that differ', async () => {
    const missing = writeTfjs(files)
    rmSync(join(dirname(missing), 'group1-shard2of2.bin'))
    expect((await refusal(readTfjs(missing))).code).toBe('file-not-found')
    mkdirSync(join(dirname(missing), 'group1-shard2of2.bin'))
    expect((await refusal(readTfjs(missing))).message).toMatch(/is no file/)
    const long = writeTfjs(files)
    writeFileSync(join(dirname(long), 'group1-shard2of2.bin'), new Uint8Array(1000))
    expect((await refusal(readTfjs(long))).message).toMatch(/the weights take 92 bytes, .* has 1046/)
    expect((await refusal(readTfjs(temporary('nowhere')))).code).toBe('file-not-found')
    expect((await refusal(readTfjs(dirname(dirname(long))))).code).toBe('file-not-found')
  })

  it('weights of huge and impossible shapes, of other types and twice', async () => {
    const edits: [Record<string, unknown>, RegExp][] = [
      [{ shape: [2 ** 40, 2 ** 12] }, /more than 268435456 weights/],
      [{ shape: [-1] }, /shape/],
      [{ shape: [1.5] }, /shape/],
      [{ shape: 'x' }, /shape/],
      [{ dtype: 'string' }, /type string/],
      [{ dtype: 'constructor' }, /type constructor/],
      [{ name: 'last/bias' }, /two weights are called 'last\/bias'/],
      [{ quantization: { dtype: 'uint8' } }, /has no scale/],
      [{ quantization: { dtype: 'int4' } }, /quantization/],
    ]
    for (const [edit, message] of edits) {
      expect((await refusal(readTfjs(withManifest((group) => Object.assign(group.weights[0], edit))))).message).toMatch(
        message,
      )
    }
    const nan = { ...files, data: new Uint8Array(files.data).fill(255) }
    expect((await refusal(readTfjs(writeTfjs(nan)))).message).toMatch(/not finite/)
  })

  it('what is no model.json', async () => {
    for (const content of [
      '',
      '{',
      '[]',
      '{"modelTopology": 7}',
      '{"modelTopology": {}}',
      '{"modelTopology": {"node": 7}}',
      Buffer.from([0xff, 0xfe]),
    ]) {
      await refusal(readTfjs(write('model.json', content)))
    }
    await refusal(readTfjs(write('model.json', '['.repeat(2 ** 20))))
  })
})

it('writes what the reader reads, so that the files above are refused for what is wrong with them', async () => {
  const config = keras3Config(keras2Config(small))
  expect((await readKeras(await writeKeras3(config, keras3Arrays(small)))).graph.nodes.length).toBeGreaterThan(2)
  expect((await readTfjs(writeTfjs(await tfjsFiles(small)))).graph.nodes.length).toBeGreaterThan(2)
})
