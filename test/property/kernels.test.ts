/**
 * Both implementations of the kernels, and every instruction set that runs here, against each other and against plain
 * arithmetic.
 */
import { createCipheriv, randomFillSync } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  availableNative,
  GATE_AND,
  GATE_NOT,
  GATE_XOR,
  loadKernels,
  referenceKernels,
  type Circuit,
  type Kernels,
} from '../../core/kernels/index.ts'
import { encrypt, expandKey, ROUND_KEY_WORDS } from '../../core/kernels/reference/aes.ts'
import { convOutput, type ConvGeometry } from '../../core/ring/geometry.ts'
import { Prg } from '../../core/ring/prg.ts'
import { buildNative } from '../../core/setup/build-native.mjs'

const root = fileURLToPath(new URL('../..', import.meta.url))
const { built, reason } = await buildNative({ root })
if (!built) console.warn(`native kernels are not tested, only the TypeScript ones: ${reason}`)

const natives = built ? availableNative().map((set) => loadKernels({ force: `native:${set}` })) : []
const all: Kernels[] = [referenceKernels, ...natives]
const COUNTS = [1, 7, 63, 64, 65, 257]

const random = (bytes: number): Uint8Array => randomFillSync(new Uint8Array(bytes))
const hex = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, 'hex'))
const bit = (packed: Uint8Array, row: number, n: number, j: number): number =>
  (packed[row * Math.ceil(n / 8) + (j >>> 3)] >>> (j & 7)) & 1

/** One block through the software AES, which is what the reference hash runs on. */
function aes(key: Uint8Array, block: Uint8Array): Uint8Array {
  const words = (bytes: Uint8Array): Int32Array => new Int32Array(bytes.slice().buffer)
  const [k, x] = [words(key), words(block)]
  const roundKeys = new Int32Array(ROUND_KEY_WORDS)
  const out = new Int32Array(4)
  expandKey(roundKeys, k[0], k[1], k[2], k[3])
  encrypt(roundKeys, x[0], x[1], x[2], x[3], out, 0)
  return new Uint8Array(out.buffer)
}

const packBits = (rows: number, n: number): Uint8Array => {
  const out = random(rows * Math.ceil(n / 8))
  if (n % 8 !== 0) for (let r = 1; r <= rows; r++) out[r * Math.ceil(n / 8) - 1] &= (1 << (n % 8)) - 1
  return out
}

/** Circuits with any wiring: inputs may be unused, wires may be outputs twice, both operands may be one wire. */
const circuits: fc.Arbitrary<Circuit> = fc
  .record({
    garblerInputs: fc.integer({ min: 0, max: 5 }),
    evaluatorInputs: fc.integer({ min: 1, max: 5 }),
    gates: fc.array(fc.tuple(fc.constantFrom(GATE_XOR, GATE_AND, GATE_NOT), fc.nat(), fc.nat()), { maxLength: 40 }),
    outputs: fc.array(fc.nat(), { maxLength: 12 }),
  })
  .map(({ garblerInputs, evaluatorInputs, gates, outputs }) => {
    const inputs = garblerInputs + evaluatorInputs
    const wires = inputs + gates.length
    return {
      garblerInputs,
      evaluatorInputs,
      gates: Int32Array.from(gates.flatMap(([op, a, b], g) => [op, a % (inputs + g), b % (inputs + g), inputs + g])),
      andGates: gates.filter(([op]) => op === GATE_AND).length,
      wires,
      outputs: Int32Array.from(outputs, (o) => o % wires),
    }
  })

/** The circuit in the clear, one instance. */
function evaluatePlain(circuit: Circuit, inputs: number[]): number[] {
  const wires = [...inputs]
  for (let g = 0; g < circuit.gates.length; g += 4) {
    const [op, a, b] = circuit.gates.subarray(g, g + 3)
    wires.push(op === GATE_XOR ? wires[a] ^ wires[b] : op === GATE_AND ? wires[a] & wires[b] : 1 - wires[a])
  }
  return Array.from(circuit.outputs, (wire) => wires[wire])
}

/** Everything random that one execution takes, and the parties' input bits. */
function execution(circuit: Circuit, instances: number, start = random(16), firstTweak = 12345) {
  const delta = random(16)
  delta[0] |= 1
  return {
    garble: {
      circuit,
      instances,
      start,
      firstTweak,
      delta,
      garblerZero: random(circuit.garblerInputs * instances * 16),
      evaluatorZero: random(circuit.evaluatorInputs * instances * 16),
    },
    garblerBits: packBits(circuit.garblerInputs, instances),
    evaluatorBits: packBits(circuit.evaluatorInputs, instances),
  }
}

function evaluateInput(kernels: Kernels, run: ReturnType<typeof execution>, tables: Uint8Array) {
  const { circuit, instances, start, firstTweak, delta, garblerZero, evaluatorZero } = run.garble
  return {
    circuit,
    instances,
    start,
    firstTweak,
    tables,
    garblerLabels: kernels.selectLabels(garblerZero, run.garblerBits, circuit.garblerInputs, instances, delta),
    evaluatorLabels: kernels.selectLabels(evaluatorZero, run.evaluatorBits, circuit.evaluatorInputs, instances, delta),
  }
}

describe('AES-128', () => {
  const vectors = JSON.parse(readFileSync(new URL('../vectors/aes128.json', import.meta.url), 'utf8')) as {
    blocks: { name: string; key: string; plaintext: string; ciphertext: string }[]
    counter: { name: string; key: string; firstCounter: string; plaintext: string[]; ciphertext: string[] }
  }
  test.each(vectors.blocks)('$name', ({ key, plaintext, ciphertext }) => {
    expect(aes(hex(key), hex(plaintext))).toEqual(hex(ciphertext))
  })
  test(vectors.counter.name, () => {
    const { key, firstCounter, plaintext, ciphertext } = vectors.counter
    for (const [i, text] of plaintext.entries()) {
      const counter = hex((BigInt(`0x${firstCounter}`) + BigInt(i)).toString(16).padStart(32, '0'))
      const stream = aes(hex(key), counter)
      expect(hex(text).map((byte, at) => byte ^ stream[at])).toEqual(hex(ciphertext[i]))
    }
  })
})

describe.each(all)('$name: labels', (kernels) => {
  test('expandLabels is counter mode with a big-endian block counter, and continues Prg', () => {
    for (const firstBlock of [0, 1, 255, 2 ** 32 - 2, 2 ** 40 + 7]) {
      const key = random(16)
      const labels = kernels.expandLabels(key, firstBlock, 5)
      for (let i = 0; i < 5; i++) {
        const counter = hex((BigInt(firstBlock) + BigInt(i)).toString(16).padStart(32, '0'))
        expect(labels.subarray(16 * i, 16 * i + 16)).toEqual(aes(key, counter))
      }
    }
    const key = random(16)
    const prg = new Prg(key)
    prg.bytes(16 * 11)
    expect(kernels.expandLabels(key, 11, 1000)).toEqual(prg.bytes(16_000))
    expect(kernels.expandLabels(key, 3, 0)).toEqual(new Uint8Array(0))
  })

  test('selectLabels adds delta where the bit is set', () => {
    for (const n of COUNTS) {
      const [zero, bits, delta] = [random(3 * n * 16), packBits(3, n), random(16)]
      const expected = zero.map((byte, at) => {
        const label = Math.floor(at / 16)
        return byte ^ (bit(bits, Math.floor(label / n), n, label % n) * delta[at % 16])
      })
      expect(kernels.selectLabels(zero, bits, 3, n, delta)).toEqual(expected)
    }
  })
})

describe('half gates', () => {
  const one: Circuit = {
    garblerInputs: 1,
    evaluatorInputs: 1,
    gates: Int32Array.of(GATE_AND, 0, 1, 2),
    andGates: 1,
    wires: 3,
    outputs: Int32Array.of(2),
  }

  test.each(all)('$name: one AND gate follows the published equations', (kernels) => {
    // A start point whose low half is about to wrap, so that the 128-bit sum must carry.
    const start = new Uint8Array(16).fill(255, 0, 8)
    const n = 9
    const run = execution(one, n, start, 3)
    const { delta, garblerZero, evaluatorZero } = run.garble
    const { tables, decode } = kernels.garble(run.garble)
    const startNumber = BigInt(`0x${Buffer.from(start).reverse().toString('hex')}`)
    const xor = (...values: Uint8Array[]): Uint8Array => values.reduce((x, y) => x.map((byte, i) => byte ^ y[i]))
    const hash = (x: Uint8Array, tweak: number): Uint8Array => {
      const key = hex(((startNumber + BigInt(tweak)) % 2n ** 128n).toString(16).padStart(32, '0')).reverse()
      const cipher = createCipheriv('aes-128-ecb', key, null).setAutoPadding(false)
      return xor(new Uint8Array(cipher.update(x)), x)
    }
    const when = (colour: number, x: Uint8Array): Uint8Array => (colour === 1 ? x : new Uint8Array(16))
    for (let j = 0; j < n; j++) {
      const a = garblerZero.slice(16 * j, 16 * j + 16)
      const b = evaluatorZero.slice(16 * j, 16 * j + 16)
      const [pa, pb] = [a[0] & 1, b[0] & 1]
      const [g, e] = [3 + j, 3 + n + j]
      const generator = xor(hash(a, g), hash(xor(a, delta), g), when(pb, delta))
      const evaluator = xor(hash(b, e), hash(xor(b, delta), e), a)
      const zero = xor(hash(a, g), when(pa, generator), hash(b, e), when(pb, xor(evaluator, a)))
      expect(tables.slice(32 * j, 32 * j + 16)).toEqual(generator)
      expect(tables.slice(32 * j + 16, 32 * j + 32)).toEqual(evaluator)
      expect(bit(decode, 0, n, j)).toBe(zero[0] & 1)
    }
  })

  test('every implementation garbles and evaluates to the same bytes, and to what the circuit says', () => {
    fc.assert(
      fc.property(circuits, fc.constantFrom(...COUNTS), (circuit, n) => {
        const run = execution(circuit, n)
        const garbled = referenceKernels.garble(run.garble)
        const input = evaluateInput(referenceKernels, run, garbled.tables)
        const colours = referenceKernels.evaluate(input)
        for (let j = 0; j < n; j++) {
          const inputs = [
            ...Array.from({ length: circuit.garblerInputs }, (_, w) => bit(run.garblerBits, w, n, j)),
            ...Array.from({ length: circuit.evaluatorInputs }, (_, w) => bit(run.evaluatorBits, w, n, j)),
          ]
          const outputs = Array.from(circuit.outputs, (_, o) => bit(colours, o, n, j) ^ bit(garbled.decode, o, n, j))
          expect(outputs).toEqual(evaluatePlain(circuit, inputs))
        }
        for (const kernels of natives) {
          const other = kernels.garble(run.garble)
          expect(Buffer.compare(other.tables, garbled.tables), kernels.name).toBe(0)
          expect(other.decode, kernels.name).toEqual(garbled.decode)
          expect(kernels.evaluate(input), kernels.name).toEqual(colours)
        }
      }),
      { numRuns: 60 },
    )
  })

  test('the same bytes when labels lie at odd addresses and the tweak carries', () => {
    const run = execution(one, 65, new Uint8Array(16).fill(255), 2 ** 45)
    const expected = referenceKernels.garble(run.garble)
    const odd = (bytes: Uint8Array): Uint8Array => {
      const copy = new Uint8Array(bytes.length + 1).subarray(1)
      copy.set(bytes)
      return copy
    }
    const input = evaluateInput(referenceKernels, run, expected.tables)
    const colours = referenceKernels.evaluate(input)
    for (const kernels of all) {
      const { delta, garblerZero, evaluatorZero } = run.garble
      const moved = {
        ...run.garble,
        delta: odd(delta),
        garblerZero: odd(garblerZero),
        evaluatorZero: odd(evaluatorZero),
      }
      expect(Buffer.compare(kernels.garble(moved).tables, expected.tables), kernels.name).toBe(0)
      const tables = odd(random(expected.tables.length))
      expect(kernels.garble({ ...run.garble, tables }).tables, kernels.name).toBe(tables)
      expect(Buffer.compare(tables, expected.tables), kernels.name).toBe(0)
      const labels = { garblerLabels: odd(input.garblerLabels), evaluatorLabels: odd(input.evaluatorLabels) }
      expect(kernels.evaluate({ ...input, ...labels, tables: odd(input.tables) }), kernels.name).toEqual(colours)
    }
  })

  test.each(all)('$name: a flipped table bit changes an output', (kernels) => {
    // Forty gates hang on the first one, so a wrong label goes unseen with probability 2^-40.
    const gates = [GATE_AND, 0, 1, 2]
    for (let g = 1; g <= 40; g++) gates.push(GATE_AND, 2, g % 2, 2 + g)
    const outputs = Int32Array.from({ length: 40 }, (_, g) => 3 + g)
    const circuit: Circuit = { ...one, gates: Int32Array.from(gates), andGates: 41, wires: 43, outputs }
    const n = 64
    const run = execution(circuit, n)
    const { tables } = kernels.garble(run.garble)
    const honest = kernels.evaluate(evaluateInput(kernels, run, tables))
    for (const at of [0, 127, 128, 255]) {
      // A row counts only where the input's colour is set: flip the same bit in every instance.
      const flipped = tables.slice()
      for (let j = 0; j < n; j++) flipped[32 * j + (at >>> 3)] ^= 1 << (at & 7)
      expect(kernels.evaluate(evaluateInput(kernels, run, flipped))).not.toEqual(honest)
    }
  })
})

describe.each(all)('$name: bit matrices', (kernels) => {
  test('transpose128', () => {
    for (const n of [0, 128, 384, 1152]) {
      const matrix = random(16 * n)
      const turned = kernels.transpose128(matrix, n)
      expect(turned.length).toBe(16 * n)
      const expected = new Uint8Array(16 * n)
      for (let r = 0; r < 128; r++) {
        for (let c = 0; c < n; c++) expected[c * 16 + (r >>> 3)] |= bit(matrix, r, n, c) << (r & 7)
      }
      expect(Buffer.compare(turned, expected)).toBe(0)
    }
  })

  test('cotChoose, cotLabels and cotSend', () => {
    const calls = fc.record({
      bits: fc.constantFrom<1 | 2 | 4>(1, 2, 4),
      blocks: fc.integer({ min: 0, max: 40 }),
      firstBlock: fc.constantFrom(0, 1, 2 ** 32 - 3, 2 ** 52),
      delta: fc.uint8Array({ minLength: 16, maxLength: 16 }),
    })
    fc.assert(
      fc.property(calls, ({ bits, blocks, firstBlock, delta }) => {
        const n = 128 * blocks
        const trees = 128 / bits
        const keys = random(trees * 2 ** bits * 16)
        const choices = random(n / 8)
        const message = kernels.cotChoose({ bits, keys }, firstBlock, n, choices)
        const labels = kernels.cotLabels({ bits, keys }, firstBlock, n)
        expect([labels.length, message.length]).toEqual([16 * n, (trees * n) / 8])
        const own = random(trees * 2 ** bits * 16)
        for (let tree = 0; tree < trees; tree++) {
          const column = Array.from({ length: 2 ** bits }, (_, x) => {
            const at = (tree * 2 ** bits + x) * 16
            const counter = Buffer.alloc(16)
            counter.writeBigUInt64BE(BigInt(firstBlock), 8)
            return createCipheriv('aes-128-ctr', keys.subarray(at, at + 16), counter).update(new Uint8Array(n / 8))
          })
          const missing = Array.from({ length: bits }, (_, b) => bit(delta, 0, 128, tree * bits + b) << b)
          const d = missing.reduce((sum, one) => sum | one)
          // The sender's numbering; its leaf 0 stays whatever it is.
          for (let x = 0; x < 2 ** bits; x++) {
            const [from, to] = [(tree * 2 ** bits + x) * 16, (tree * 2 ** bits + (x ^ d)) * 16]
            if (x !== d) own.set(keys.subarray(from, from + 16), to)
          }
          for (let j = 0; j < n; j += 37) {
            const on = column.map((one, x) => (bit(one, 0, n, j) === 1 ? x : -1)).filter((x) => x >= 0)
            const value = Array.from(
              { length: bits },
              (_, b) => bit(labels, 0, 16 * 8 * n, 128 * j + tree * bits + b) << b,
            )
            expect(value.reduce((sum, one) => sum | one)).toBe(on.reduce((sum, x) => sum ^ x, 0))
            expect(bit(message, tree, n, j)).toBe((on.length & 1) ^ bit(choices, 0, n, j))
          }
        }
        const zero = kernels.cotSend({ bits, keys: own }, firstBlock, n, delta, message)
        const active = kernels.selectLabels(zero, choices, 1, n, delta)
        expect(Buffer.compare(active, labels)).toBe(0)
        const memory = random(16 * n)
        expect(kernels.cotLabels({ bits, keys }, firstBlock, n, memory)).toEqual(labels)
        expect(memory).toEqual(labels)
        expect(kernels.cotSend({ bits, keys: own }, firstBlock, n, delta, message, memory)).toEqual(zero)
        expect(memory).toEqual(zero)
      }),
      { numRuns: 12 },
    )
  })

  test('sliceBits and joinBits', () => {
    const shapes = fc.record({
      stride: fc.constantFrom<1 | 2>(1, 2),
      n: fc.integer({ min: 0, max: 100 }),
      width: fc.integer({ min: 1, max: 64 }),
    })
    fc.assert(
      fc.property(shapes, ({ stride, n, width }) => {
        const bits = stride === 1 ? Math.min(width, 32) : width
        const words = randomFillSync(new Uint32Array(n * stride))
        const sliced = kernels.sliceBits(words, stride, n, bits)
        const expected = new Uint8Array(bits * Math.ceil(n / 8))
        const kept = new Uint32Array(words.length)
        for (let j = 0; j < n; j++) {
          for (let i = 0; i < bits; i++) {
            const at = j * stride + (i >>> 5)
            const value = (words[at] >>> (i & 31)) & 1
            expected[i * Math.ceil(n / 8) + (j >>> 3)] |= value << (j & 7)
            kept[at] = (kept[at] | (value << (i & 31))) >>> 0
          }
        }
        expect(sliced).toEqual(expected)
        expect(kernels.joinBits(sliced, stride, n, bits)).toEqual(kept)
      }),
      { numRuns: 60 },
    )
  })
})

describe('ring arithmetic', () => {
  const element = (words: Uint32Array, stride: number, i: number): bigint =>
    stride === 1 ? BigInt(words[i]) : (BigInt(words[2 * i + 1]) << 32n) | BigInt(words[2 * i])

  /** The definition of convolution, over BigInt. */
  function direct(words: Uint32Array, stride: 1 | 2, weights: Int32Array, g: ConvGeometry): bigint[] {
    const { height, width } = convOutput(g)
    const channels = g.inChannels / g.groups
    const out: bigint[] = []
    for (let m = 0; m < g.outChannels; m++) {
      const first = Math.floor(m / (g.outChannels / g.groups)) * channels
      for (let y = 0; y < height; y++) {
        for (let x = 0; x < width; x++) {
          let sum = 0n
          for (let c = 0; c < channels; c++) {
            for (let ky = 0; ky < g.kernelHeight; ky++) {
              for (let kx = 0; kx < g.kernelWidth; kx++) {
                const [iy, ix] = [y * g.stride + ky - g.padding, x * g.stride + kx - g.padding]
                if (iy < 0 || iy >= g.inHeight || ix < 0 || ix >= g.inWidth) continue
                const w = weights[((m * channels + c) * g.kernelHeight + ky) * g.kernelWidth + kx]
                sum += BigInt(w) * element(words, stride, ((first + c) * g.inHeight + iy) * g.inWidth + ix)
              }
            }
          }
          out.push(BigInt.asUintN(32 * stride, sum))
        }
      }
    }
    return out
  }

  const geometries = fc
    .record({
      inner: fc.integer({ min: 1, max: 5 }),
      outer: fc.integer({ min: 1, max: 11 }),
      groups: fc.integer({ min: 1, max: 3 }),
      inHeight: fc.integer({ min: 1, max: 9 }),
      inWidth: fc.integer({ min: 1, max: 9 }),
      kernelHeight: fc.integer({ min: 1, max: 4 }),
      kernelWidth: fc.integer({ min: 1, max: 4 }),
      stride: fc.integer({ min: 1, max: 3 }),
      padding: fc.integer({ min: 0, max: 2 }),
    })
    .map(({ inner, outer, ...rest }) => ({
      ...rest,
      inChannels: inner * rest.groups,
      outChannels: outer * rest.groups,
    }))
    .filter((g) => g.kernelHeight <= g.inHeight + 2 * g.padding && g.kernelWidth <= g.inWidth + 2 * g.padding)
  const strides = fc.constantFrom<1 | 2>(1, 2)
  /** Bits of |weight|: the widest make the reference cut elements into many limbs. */
  const weightBits = fc.constantFrom(1, 8, 13, 31)
  const randomWeights = (count: number, bits: number): Int32Array =>
    randomFillSync(new Int32Array(count)).map((w) => Math.max(w >> (31 - bits), -(2 ** 31) + 1))
  const asBigInts = (words: Uint32Array, stride: number): bigint[] =>
    Array.from({ length: words.length / stride }, (_, i) => element(words, stride, i))

  test('conv2d is convolution modulo 2^32 and 2^64', () => {
    fc.assert(
      fc.property(geometries, strides, weightBits, (g, stride, bits) => {
        const words = randomFillSync(new Uint32Array(g.inChannels * g.inHeight * g.inWidth * stride))
        const weights = randomWeights(g.outChannels * (g.inChannels / g.groups) * g.kernelHeight * g.kernelWidth, bits)
        const expected = direct(words, stride, weights, g)
        for (const kernels of all) {
          expect(asBigInts(kernels.conv2d(words, stride, weights, g), stride), kernels.name).toEqual(expected)
        }
      }),
      { numRuns: 80 },
    )
  })

  test('conv2d over more taps than one panel holds', () => {
    const side = { inHeight: 3, inWidth: 3, kernelHeight: 3, kernelWidth: 3, stride: 1, padding: 1, groups: 1 }
    const g: ConvGeometry = { ...side, inChannels: 2000, outChannels: 2 }
    for (const stride of [1, 2] as const) {
      const words = randomFillSync(new Uint32Array(18_000 * stride))
      const weights = randomWeights(36_000, 13)
      const expected = direct(words, stride, weights, g)
      for (const kernels of all) {
        expect(asBigInts(kernels.conv2d(words, stride, weights, g), stride), kernels.name).toEqual(expected)
      }
    }
  })

  test('matvec', () => {
    const sizes = fc.integer({ min: 1, max: 70 })
    fc.assert(
      fc.property(sizes, sizes, strides, weightBits, (rows, cols, stride, bits) => {
        const words = randomFillSync(new Uint32Array(cols * stride))
        const weights = randomWeights(rows * cols, bits)
        const expected = Array.from({ length: rows }, (_, r) => {
          let sum = 0n
          for (let c = 0; c < cols; c++) sum += BigInt(weights[r * cols + c]) * element(words, stride, c)
          return BigInt.asUintN(32 * stride, sum)
        })
        for (const kernels of all) {
          expect(asBigInts(kernels.matvec(words, stride, weights, rows, cols), stride), kernels.name).toEqual(expected)
        }
      }),
      { numRuns: 60 },
    )
  })
})
