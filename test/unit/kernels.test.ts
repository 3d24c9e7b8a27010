/** What the kernels refuse, and how an implementation is chosen. */
import { mkdtempSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { Worker } from 'node:worker_threads'
import { afterEach, describe, expect, test, vi } from 'vitest'
import {
  ADDON_PATH,
  availableNative,
  GATE_AND,
  GATE_NOT,
  GATE_XOR,
  loadKernels,
  referenceKernels,
  type Circuit,
  type KernelChoice,
} from '../../core/kernels/index.ts'
import { INSTRUCTION_SETS, setsOf, type NativeAddon } from '../../core/kernels/addon.ts'
import { buildNative } from '../../core/setup/build-native.mjs'

const root = fileURLToPath(new URL('../..', import.meta.url))
const { built, reason } = await buildNative({ root })
if (!built) console.warn(`native kernels are not tested, only the TypeScript ones: ${reason}`)

const sets = built ? availableNative() : []
const all = [referenceKernels, ...sets.map((set) => loadKernels({ force: `native:${set}` }))]

const bytes = (length: number): Uint8Array => new Uint8Array(length).fill(1)
const circuit: Circuit = {
  garblerInputs: 2,
  evaluatorInputs: 1,
  gates: Int32Array.of(GATE_AND, 0, 2, 3, GATE_XOR, 3, 1, 4, GATE_NOT, 4, 0, 5),
  andGates: 1,
  wires: 6,
  outputs: Int32Array.of(5),
}
const n = 5
const context = { circuit, instances: n, start: bytes(16), firstTweak: 0 }
const garbling = { ...context, delta: bytes(16), garblerZero: bytes(2 * n * 16), evaluatorZero: bytes(n * 16) }
const evaluation = {
  ...context,
  garblerLabels: bytes(2 * n * 16),
  evaluatorLabels: bytes(n * 16),
  tables: bytes(n * 32),
}
const geometry = {
  inChannels: 2,
  inHeight: 4,
  inWidth: 3,
  outChannels: 4,
  kernelHeight: 2,
  kernelWidth: 3,
  stride: 1,
  padding: 1,
  groups: 2,
}

const gates = (...numbers: number[]): Circuit => ({ ...circuit, gates: Int32Array.from(numbers) })
const badCircuits: [string, Circuit][] = [
  ['circuit.gates', gates(GATE_AND, 0, 2, 3, GATE_XOR, 3, 4, 4, GATE_NOT, 4, 0, 5)],
  ['circuit.gates', gates(GATE_AND, 0, 5, 3, GATE_XOR, 3, 1, 4, GATE_NOT, 4, 0, 5)],
  ['circuit.gates', gates(GATE_AND, -1, 2, 3, GATE_XOR, 3, 1, 4, GATE_NOT, 4, 0, 5)],
  ['circuit.gates', gates(GATE_AND, 0, 2, 3, GATE_XOR, 3, 1, 2_000_000_000, GATE_NOT, 4, 0, 5)],
  ['circuit.gates', gates(7, 0, 2, 3, GATE_XOR, 3, 1, 4, GATE_NOT, 4, 0, 5)],
  ['circuit.gates', gates(GATE_AND, 0, 2, 3, GATE_XOR, 3, 1, 4, GATE_NOT, 4, 0)],
  ['circuit.andGates', { ...circuit, andGates: 2 }],
  ['circuit.wires', { ...circuit, wires: 7 }],
  ['circuit.outputs', { ...circuit, outputs: Int32Array.of(6) }],
  ['circuit.outputs', { ...circuit, outputs: Int32Array.of(-1) }],
  ['circuit.garblerInputs', { ...circuit, garblerInputs: 1.5 }],
]

describe.each(all)('$name refuses', (kernels) => {
  test('nothing when everything fits', () => {
    expect(kernels.garble(garbling).tables.length).toBe(n * 32)
    expect(kernels.evaluate(evaluation).length).toBe(1)
    expect(
      kernels.garble({ ...garbling, instances: 0, garblerZero: bytes(0), evaluatorZero: bytes(0) }).decode.length,
    ).toBe(0)
  })

  test.each(badCircuits)('a bad %s', (name, bad) => {
    expect(() => kernels.garble({ ...garbling, circuit: bad })).toThrow(RangeError)
    expect(() => kernels.garble({ ...garbling, circuit: bad })).toThrow(name)
    expect(() => kernels.evaluate({ ...evaluation, circuit: bad })).toThrow(name)
  })

  test.each(['delta', 'garblerZero', 'evaluatorZero', 'start'] as const)('a wrong length of %s in garbling', (name) => {
    for (const change of [-1, 1]) {
      const call = () => kernels.garble({ ...garbling, [name]: bytes(garbling[name].length + change) })
      expect(call).toThrow(RangeError)
      expect(call).toThrow(name)
    }
  })

  test.each(['garblerLabels', 'evaluatorLabels', 'tables', 'start'] as const)('a wrong length of %s', (name) => {
    for (const change of [-1, 1]) {
      const call = () => kernels.evaluate({ ...evaluation, [name]: bytes(evaluation[name].length + change) })
      expect(call).toThrow(RangeError)
      expect(call).toThrow(name)
    }
  })

  test('a delta without its colour bit, tweaks past 2^53, tables to write that do not fit', () => {
    expect(() => kernels.garble({ ...garbling, delta: new Uint8Array(16) })).toThrow(/delta.*colour/)
    expect(() => kernels.garble({ ...garbling, firstTweak: 2 ** 53 - 4 })).toThrow('firstTweak')
    expect(() => kernels.garble({ ...garbling, firstTweak: -1 })).toThrow('firstTweak')
    expect(() => kernels.garble({ ...garbling, tables: bytes(n * 32 - 1) })).toThrow('tables')
    expect(() => kernels.garble({ ...garbling, instances: -1 })).toThrow('instances')
  })

  test('labels, bit matrices and products of wrong lengths', () => {
    expect(() => kernels.expandLabels(bytes(15), 0, 1)).toThrow(/key.*16 bytes/)
    expect(() => kernels.expandLabels(bytes(16), -1, 1)).toThrow('firstBlock')
    expect(() => kernels.expandLabels(bytes(16), 0, 0.5)).toThrow('count')
    expect(() => kernels.selectLabels(bytes(47), bytes(3), 3, 1, bytes(16))).toThrow('zero')
    expect(() => kernels.selectLabels(bytes(48), bytes(2), 3, 1, bytes(16))).toThrow('bits')
    expect(() => kernels.selectLabels(bytes(48), bytes(3), 3, 1, bytes(17))).toThrow('delta')
    expect(() => kernels.transpose128(bytes(16 * 64), 64)).toThrow(/n must be a multiple of 128/)
    expect(() => kernels.transpose128(bytes(16 * 128 - 1), 128)).toThrow('matrix')
    const leaves = { bits: 4, keys: bytes(8192) } as const
    expect(() => kernels.cotLabels({ bits: 3 as 4, keys: bytes(8192) }, 0, 128)).toThrow('1, 2 or 4 levels')
    expect(() => kernels.cotLabels({ bits: 2, keys: bytes(8192) }, 0, 128)).toThrow(/leaves.*4096/)
    expect(() => kernels.cotLabels(leaves, 0, 100)).toThrow(/n must be a multiple of 128/)
    expect(() => kernels.cotLabels(leaves, -1, 128)).toThrow('firstBlock')
    expect(() => kernels.cotChoose(leaves, 0, 128, bytes(15))).toThrow('choices')
    expect(() => kernels.cotLabels(leaves, 0, 128, bytes(2047))).toThrow('memory')
    expect(() => kernels.cotSend(leaves, 0, 128, bytes(15), bytes(512))).toThrow('delta')
    expect(() => kernels.cotSend(leaves, 0, 128, bytes(16), bytes(513))).toThrow('message')
    expect(() => kernels.sliceBits(new Uint32Array(9), 1, 10, 8)).toThrow('words')
    expect(() => kernels.sliceBits(new Uint32Array(10), 1, 10, 33)).toThrow('bits')
    expect(() => kernels.joinBits(bytes(15), 1, 10, 8)).toThrow('sliced')
    expect(() => kernels.matvec(new Uint32Array(4), 1, new Int32Array(12), 3, 5)).toThrow('words')
    expect(() => kernels.matvec(new Uint32Array(4), 1, new Int32Array(11), 3, 4)).toThrow('weights')
    expect(() => kernels.matvec(new Uint32Array(4), 3 as 1, new Int32Array(12), 3, 4)).toThrow('stride')
    expect(() => kernels.transpose128(new Uint16Array(2048) as unknown as Uint8Array, 128)).toThrow(TypeError)
  })

  test('convolutions that do not fit', () => {
    const words = new Uint32Array(24)
    const weights = new Int32Array(24)
    expect(kernels.conv2d(words, 1, weights, geometry).length).toBe(4 * 5 * 3)
    expect(() => kernels.conv2d(words.subarray(1), 1, weights, geometry)).toThrow('words')
    expect(() => kernels.conv2d(words, 2, weights, geometry)).toThrow('words')
    expect(() => kernels.conv2d(words, 1, weights.subarray(1), geometry)).toThrow('weights')
    expect(() => kernels.conv2d(words, 1, weights, { ...geometry, groups: 3 })).toThrow('geometry.groups')
    expect(() => kernels.conv2d(words, 1, weights, { ...geometry, stride: 0 })).toThrow('geometry.stride')
    expect(() => kernels.conv2d(words, 1, weights, { ...geometry, kernelHeight: 7 })).toThrow('geometry')
    expect(() => kernels.conv2d(words, 1, weights, { ...geometry, padding: 2 ** 20 })).toThrow('geometry')
    expect(() => kernels.conv2d(words, 1, weights, { ...geometry, padding: -1 })).toThrow('geometry.padding')
  })
})

// The addon is asked directly, without the TypeScript checks: it must not trust them.
describe.skipIf(sets.length === 0)('the addon refuses for itself', () => {
  const addon = (): NativeAddon => createRequire(import.meta.url)(ADDON_PATH) as NativeAddon
  const garble = (c: Circuit, change: Partial<typeof garbling> = {}) => {
    const g = { ...garbling, ...change }
    return addon().garble(
      0,
      c.garblerInputs,
      c.evaluatorInputs,
      c.gates,
      c.outputs,
      g.instances,
      g.start,
      g.firstTweak,
      g.delta,
      g.garblerZero,
      g.evaluatorZero,
      undefined,
    )
  }

  test('malformed circuits', () => {
    expect(garble(circuit).tables.length).toBe(n * 32)
    // The numbers of AND gates and wires are not passed: the addon counts them.
    for (const [name, bad] of badCircuits) {
      if (name !== 'circuit.andGates' && name !== 'circuit.wires') expect(() => garble(bad)).toThrow(name)
    }
  })

  test('wrong lengths and numbers', () => {
    expect(() => garble(circuit, { instances: n + 1 })).toThrow(RangeError)
    expect(() => garble(circuit, { instances: Number.NaN })).toThrow('instances')
    expect(() => garble(circuit, { delta: bytes(15) })).toThrow('delta')
    expect(() => garble(circuit, { evaluatorZero: bytes(n * 16 - 1) })).toThrow('evaluatorZero')
    expect(() => garble(circuit, { garblerZero: undefined as unknown as Uint8Array })).toThrow(TypeError)
    const detached = bytes(2 * n * 16)
    structuredClone(detached, { transfer: [detached.buffer as ArrayBuffer] })
    expect(() => garble(circuit, { garblerZero: detached })).toThrow('garblerZero')
    expect(() => addon().transpose128(256, bytes(16 * 128))).toThrow('matrix')
    const [set] = addon().transfers
    if (set !== undefined) {
      expect(() => addon().cotLabels(set, 4, bytes(8191), 0, 128, undefined)).toThrow('leaves')
      expect(() => addon().cotLabels(set, 3, bytes(8192), 0, 128, undefined)).toThrow('bits')
      expect(() => addon().cotLabels(set, 4, bytes(8192), 0, 127, undefined)).toThrow('n must')
      expect(() => addon().cotChoose(set, 4, bytes(8192), 0, 128, bytes(17))).toThrow('choices')
      expect(() => addon().cotLabels(set, 4, bytes(8192), 0, 128, bytes(2049))).toThrow('memory')
      expect(() => addon().cotSend(set, 4, bytes(8192), 0, 128, bytes(17), bytes(512), undefined)).toThrow('delta')
      expect(() => addon().cotSend(set, 4, bytes(8192), 0, 2 ** 30, bytes(16), bytes(512), undefined)).toThrow(
        'message',
      )
      expect(() => addon().cotSend(0, 4, bytes(8192), 0, 128, bytes(16), bytes(512), undefined)).toThrow(
        'makes no transfers',
      )
    }
    expect(() => addon().sliceBits(2, 10, 8, new Uint32Array(10))).toThrow('words')
    expect(() => addon().joinBits(1, 2 ** 31, 32, bytes(8))).toThrow('sliced')
    expect(() => addon().selectLabels(2 ** 30, 2 ** 30, bytes(16), bytes(1), bytes(16))).toThrow('zero')
    expect(() => addon().matvec(0, 1, 2 ** 30, 2 ** 30, new Uint32Array(4), new Int32Array(4))).toThrow('words')
    expect(() => addon().matvec(9, 1, 1, 1, new Uint32Array(1), new Int32Array(1))).toThrow('instruction set')
    const conv = (...g: [number, number, number, number, number, number, number, number, number]) =>
      addon().conv2d(0, 1, ...g, new Uint32Array(24), new Int32Array(24))
    expect(conv(2, 4, 3, 4, 2, 3, 1, 1, 2).length).toBe(60)
    expect(() => conv(2, 4, 3, 5, 2, 3, 1, 1, 2)).toThrow('groups')
    expect(() => conv(2, 4, 3, 4, 2, 6, 1, 1, 2)).toThrow('kernel')
    expect(() => conv(2, 4, 3, 4, 2, 3, 1, 2 ** 20, 2)).toThrow('too large')
    expect(() => conv(2, 4, 3, 4, 2 ** 20, 2 ** 20, 1, 2 ** 19, 2)).toThrow('too large')
  })
})

describe('loadKernels', () => {
  afterEach(() => {
    vi.unstubAllEnvs()
  })

  test('takes what is forced, by option before environment', () => {
    vi.stubEnv('ADYTON_KERNELS', 'nonsense')
    expect(() => loadKernels()).toThrow(/nonsense/)
    expect(loadKernels({ force: 'reference' })).toBe(referenceKernels)
    vi.stubEnv('ADYTON_KERNELS', 'reference')
    expect(loadKernels()).toBe(referenceKernels)
    for (const set of sets) expect(loadKernels({ force: `native:${set}` }).name).toMatch(/^native /)
    expect(() => loadKernels({ force: 'native:sse9' as KernelChoice })).toThrow(/no kernels are named 'native:sse9'/)
  })

  test('has only sets of this architecture, and refuses those of another', () => {
    const own = setsOf(process.arch)
    expect(own).toEqual(expect.arrayContaining(sets))
    const other = INSTRUCTION_SETS.filter((set) => !own.includes(set))
    expect(other.length).toBeGreaterThan(0)
    const why = built ? /this processor cannot run them/ : /the addon is/
    for (const set of other) expect(() => loadKernels({ force: `native:${set}` })).toThrow(why)
  })

  test('takes the fastest native kernels where there are any, else says why not', () => {
    vi.stubEnv('ADYTON_KERNELS', '')
    const warnings: string[] = []
    const kernels = loadKernels({ warn: (line) => warnings.push(line) })
    if (sets.length > 0) {
      expect(kernels.name).toBe(loadKernels({ force: `native:${sets[sets.length - 1]}` }).name)
      expect(warnings).toEqual([])
    } else {
      expect(kernels).toBe(referenceKernels)
      expect(warnings.join()).toContain('TypeScript kernels')
    }
  })

  test('works in worker threads, several at once', async () => {
    const url = new URL('../../core/kernels/index.ts', import.meta.url).href
    const code = `
      const { parentPort } = require('node:worker_threads')
      import(${JSON.stringify(url)}).then(({ loadKernels }) => {
        const kernels = loadKernels()
        parentPort.postMessage([kernels.name, kernels.transpose128(new Uint8Array(2048).fill(255), 128)])
      })`
    const answers = await Promise.all(
      [1, 2].map(
        () =>
          new Promise((resolve, reject) => {
            const worker = new Worker(code, { eval: true, execArgv: [] })
            worker.once('message', resolve)
            worker.once('error', reject)
          }),
      ),
    )
    const expected = [loadKernels().name, new Uint8Array(2048).fill(255)]
    expect(answers).toEqual([expected, expected])
  })
})

describe('buildNative', () => {
  afterEach(() => {
    vi.unstubAllEnvs()
  })

  test('returns the reason when there is no compiler, and never throws', async () => {
    const missing = path.join(tmpdir(), 'no-such-compiler')
    vi.stubEnv('CXX', missing)
    const result = await buildNative({ root })
    expect(result.built).toBe(false)
    expect(result.reason).toMatch(/no C\+\+ compiler/)
    const empty = mkdtempSync(path.join(tmpdir(), 'adyton-native-'))
    try {
      expect(await buildNative({ root: empty })).toEqual({
        built: false,
        reason: expect.stringMatching(/missing/) as string,
      })
    } finally {
      rmSync(empty, { recursive: true })
    }
  })
})
