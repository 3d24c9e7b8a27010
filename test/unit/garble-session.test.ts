/** Garbling, transfers and evaluation together, in several chunks, against integer arithmetic. */
import { describe, expect, it } from 'vitest'
import { AdytonError } from '../../core/errors/errors.ts'
import { argmaxCircuit, maxPoolCircuit, reluCircuit } from '../../core/garble/circuits/index.ts'
import { choiceBits, evaluatorBits, outputShares, shareBits } from '../../core/garble/inputs.ts'
import {
  CHUNK_BYTES,
  chunkSizes,
  CURSOR_START,
  decodeOutputs,
  evaluateChunk,
  garbleChunk,
  garblerLabels,
  layOutStep,
  tableBytes,
  transferCount,
  type Garbler,
} from '../../core/garble/session.ts'
import type { Circuit, Kernels } from '../../core/kernels/interface.ts'
import { ring, type RingVector } from '../../core/ring/ring.ts'
import { add, elementAt, zeros } from '../../core/ring/vector.ts'
import { everyKernels, testEnds, testSeeds, testStream } from '../fixtures/transfers.ts'

/** One execution: garbler and evaluator of a test, with their transfers set up. */
function execution(kernels: Kernels, name: string) {
  const stream = testStream(name)
  const seeds = testSeeds(stream)
  const garbler: Garbler = { delta: seeds.delta, start: stream.bytes(16), labelKey: stream.bytes(16) }
  return {
    stream,
    garbler,
    ...testEnds(kernels, seeds),
  }
}

interface Run {
  readonly circuit: Circuit
  readonly l: number
  readonly server: readonly RingVector[]
  readonly client: readonly RingVector[]
  readonly next?: RingVector
  readonly maxBytes: number
}

/** Runs a step on both sides; output bits of each chunk, with its chunk. */
function runStep(kernels: Kernels, ex: ReturnType<typeof execution>, cursor: typeof CURSOR_START, run: Run) {
  const { circuit, l } = run
  const layout = layOutStep(circuit, run.server[0].length, cursor, run.maxBytes)
  const outputs = layout.chunks.map((chunk) => {
    const n = transferCount(circuit, chunk)
    const bits = evaluatorBits(kernels, run.client, l, run.next, chunk)
    const { message, labels } = ex.receiver.extend(choiceBits(bits, circuit.evaluatorInputs, chunk.instances), n)
    const { tables, decode } = garbleChunk(kernels, ex.garbler, circuit, chunk, ex.sender.extend(n, message))
    const server = shareBits(kernels, run.server, l, chunk)
    const input = {
      start: ex.garbler.start,
      tables,
      evaluatorLabels: labels,
      garblerLabels: garblerLabels(kernels, ex.garbler, circuit, chunk, server),
    }
    const colours = evaluateChunk(kernels, circuit, chunk, input)
    return { chunk, bits: decodeOutputs(circuit, chunk, decode, colours), input, decode }
  })
  return { layout, outputs }
}

function signedMod(v: bigint, l: number): bigint {
  return BigInt.asIntN(l, v)
}

/** Values 0, +-1 and both extremes first, then random ones, shared. */
function shared(stream: ReturnType<typeof testStream>, bits: number, n: number) {
  const k = ring(bits)
  const client = stream.vector(k, n)
  const x = stream.vector(k, n)
  const special = [0n, 1n, -1n, 2n ** BigInt(bits - 1) - 1n, -(2n ** BigInt(bits - 1))]
  special.slice(0, n).forEach((v, i) => {
    const u = BigInt.asUintN(bits, v)
    x.words[i * k.stride] = Number(u & 0xffffffffn)
    if (k.stride === 2) x.words[2 * i + 1] = Number(u >> 32n)
  })
  const negated = zeros(k, n)
  for (let i = 0; i < n; i++) {
    const s = BigInt.asUintN(bits, elementAt(x, i) - elementAt(client, i))
    negated.words[i * k.stride] = Number(s & 0xffffffffn)
    if (k.stride === 2) negated.words[2 * i + 1] = Number(s >> 32n)
  }
  return { client, server: negated, x }
}

describe.each(everyKernels())('garbled steps, %s kernels', (_, kernels) => {
  it.each([
    // k of the input, l, shift, k of the output, instances
    [32, 32, 12, 32, 75],
    [32, 24, 12, 32, 64],
    [59, 59, 20, 59, 21],
    [59, 40, 18, 59, 33],
    [24, 24, 0, 59, 13],
    [37, 20, 4, 8, 130],
    [16, 16, 15, 16, 9],
    [8, 8, 3, 8, 1],
  ])('ReLU of Z_2^%i shares over %i bits, shift %i, into Z_2^%i: %i instances', (k, l, shift, outBits, n) => {
    const ex = execution(kernels, `relu ${k} ${l} ${shift} ${outBits}`)
    const { client, server, x } = shared(ex.stream, k, n)
    const next = ex.stream.vector(ring(outBits), n)
    const circuit = reluCircuit({ l, shift, outBits })
    const run = { circuit, l, server: [server], client: [client], next, maxBytes: 32 * 300 }
    let cursor = CURSOR_START
    // Twice in one execution: tweaks, label blocks and keystreams go on.
    for (let step = 0; step < 2; step++) {
      const { layout, outputs } = runStep(kernels, ex, cursor, run)
      cursor = layout.next
      let done = 0
      for (const { chunk, bits } of outputs) {
        const share = outputShares(kernels, bits, ring(outBits), chunk)
        const mask = {
          ring: next.ring,
          length: chunk.instances,
          words: next.words.slice(chunk.offset * next.ring.stride, (chunk.offset + chunk.instances) * next.ring.stride),
        }
        const y = add(share, mask)
        for (let i = 0; i < chunk.instances; i++, done++) {
          const value = signedMod(elementAt(x, chunk.offset + i), l)
          const relu = value > 0n ? value >> BigInt(shift) : 0n
          expect(elementAt(y, i)).toBe(BigInt.asUintN(outBits, relu))
        }
      }
      expect(done).toBe(n)
    }
  })

  it.each([true, false])('max-pool over 2 x 2 windows, ReLU: %s', (relu) => {
    const ex = execution(kernels, `pool ${relu}`)
    const [k, l, shift, n] = [20, 18, 5, 19]
    const values = [0, 1, 2, 3].map(() => shared(ex.stream, k, n))
    const next = ex.stream.vector(ring(k), n)
    const circuit = maxPoolCircuit({ l, shift, outBits: k, windows: 4, relu })
    const { outputs } = runStep(kernels, ex, CURSOR_START, {
      circuit,
      l,
      server: values.map((v) => v.server),
      client: values.map((v) => v.client),
      next,
      maxBytes: 32 * 2000,
    })
    expect(outputs.length).toBeGreaterThan(1)
    for (const { chunk, bits } of outputs) {
      const share = outputShares(kernels, bits, ring(k), chunk)
      for (let i = 0; i < chunk.instances; i++) {
        const x = values.map((v) => signedMod(elementAt(v.x, chunk.offset + i), l))
        const best = [...x, ...(relu ? [0n] : [])].reduce((a, b) => (a > b ? a : b))
        const want = BigInt.asUintN(k, (best >> BigInt(shift)) - elementAt(next, chunk.offset + i))
        expect(elementAt(share, i)).toBe(want)
      }
    }
  })

  it('argmax of ten logits', () => {
    const ex = execution(kernels, 'argmax')
    const l = 32
    const values = Array.from({ length: 10 }, () => shared(ex.stream, l, 3))
    const circuit = argmaxCircuit({ l, classes: 10 })
    const { outputs } = runStep(kernels, ex, CURSOR_START, {
      circuit,
      l,
      server: values.map((v) => v.server),
      client: values.map((v) => v.client),
      maxBytes: CHUNK_BYTES,
    })
    const [{ chunk, bits }] = outputs
    const labels = outputShares(kernels, bits, ring(circuit.outputs.length), chunk)
    for (let i = 0; i < 3; i++) {
      const x = values.map((v) => signedMod(elementAt(v.x, i), l))
      const best = x.reduce((a, b) => (a > b ? a : b))
      expect(elementAt(labels, i)).toBe(BigInt(x.indexOf(best)))
    }
  })

  it('garbles equal inputs of two chunks and of two executions unlike', () => {
    const circuit = reluCircuit({ l: 8, shift: 2, outBits: 8 })
    const chunkOf = (firstTweak: number, firstBlock: number) => ({ offset: 0, instances: 8, firstTweak, firstBlock })
    const { garbler, stream } = execution(kernels, 'alike')
    const zero = stream.bytes(16 * circuit.evaluatorInputs * 8)
    const tables = (g: Garbler, tweak: number, block: number): string =>
      Buffer.from(garbleChunk(kernels, g, circuit, chunkOf(tweak, block), zero).tables).toString('hex')
    const other = { ...garbler, delta: testSeeds(stream).delta }
    const start = { ...garbler, start: stream.bytes(16) }
    const all = [
      tables(garbler, 0, 0),
      tables(garbler, 2 * circuit.andGates * 8, 0),
      tables(garbler, 0, circuit.garblerInputs * 8),
      tables(other, 0, 0),
      tables(start, 0, 0),
    ]
    expect(new Set(all).size).toBe(all.length)
    expect(tables(garbler, 0, 0)).toBe(all[0])
  })

  it('does not decode to the right shares when tables, labels or tweaks are tampered with', () => {
    const [k, n] = [16, 64]
    const ex = execution(kernels, 'tamper')
    const { client, server } = shared(ex.stream, k, n)
    const next = ex.stream.vector(ring(k), n)
    const circuit = reluCircuit({ l: k, shift: 4, outBits: k })
    const run = { circuit, l: k, server: [server], client: [client], next, maxBytes: CHUNK_BYTES }
    const [{ chunk, bits, input, decode }] = runStep(kernels, ex, CURSOR_START, run).outputs
    const again = (changed: Partial<typeof input>, at = chunk): string =>
      Buffer.from(
        decodeOutputs(circuit, chunk, decode, evaluateChunk(kernels, circuit, at, { ...input, ...changed })),
      ).toString('hex')
    const right = Buffer.from(bits).toString('hex')
    expect(again({})).toBe(right)
    // Every table row is read by about half the instances, so a whole gate's rows are changed.
    expect(again({ tables: input.tables.map((v, i) => (i < 64 * 32 ? v ^ 1 : v)) })).not.toBe(right)
    expect(again({ garblerLabels: input.garblerLabels.map((v) => v ^ 2) })).not.toBe(right)
    expect(again({ evaluatorLabels: input.evaluatorLabels.map((v) => v ^ 2) })).not.toBe(right)
    expect(again({ start: input.start.map((v) => v ^ 1) })).not.toBe(right)
    expect(again({}, { ...chunk, firstTweak: chunk.firstTweak + 1 })).not.toBe(right)
    const [a, b] = [input.tables.slice(0, 2048), input.tables.slice(2048, 4096)]
    const swapped = input.tables.slice()
    swapped.set(b, 0)
    swapped.set(a, 2048)
    expect(again({ tables: swapped })).not.toBe(right)
    for (const bad of [{ tables: input.tables.subarray(1) }, { garblerLabels: new Uint8Array(3) }]) {
      expect(() => again(bad)).toThrow(AdytonError)
    }
    expect(() => decodeOutputs(circuit, chunk, decode.subarray(1), decode)).toThrow(AdytonError)
    expect(() => decodeOutputs(circuit, chunk, decode, decode.subarray(1))).toThrow(AdytonError)
  })
})

describe('layout of chunks', () => {
  const circuit = reluCircuit({ l: 32, shift: 12, outBits: 32 })

  it('bounds the tables of a chunk and covers every instance', () => {
    for (const n of [0, 1, 7, 3200, 3201, 50_000]) {
      const sizes = chunkSizes(circuit, n)
      expect(sizes.reduce((a, b) => a + b, 0)).toBe(n)
      for (const size of sizes) expect(size * circuit.andGates * 32).toBeLessThanOrEqual(CHUNK_BYTES)
      for (const size of sizes.slice(0, -1)) expect(size % 128).toBe(0)
    }
    // A circuit that is larger than the bound goes one instance at a time.
    expect(chunkSizes(circuit, 3, 100)).toEqual([1, 1, 1])
  })

  it('never gives two chunks or steps one tweak or label block', () => {
    const other = maxPoolCircuit({ l: 16, shift: 0, outBits: 16, windows: 4, relu: true })
    let cursor = CURSOR_START
    let tweak = 0
    let block = 0
    for (const [c, n] of [
      [circuit, 1000],
      [other, 77],
      [circuit, 3],
    ] as const) {
      const { chunks, next } = layOutStep(c, n, cursor, 2 ** 18)
      for (const chunk of chunks) {
        expect([chunk.firstTweak, chunk.firstBlock]).toEqual([tweak, block])
        expect(tableBytes(c, chunk)).toBeLessThanOrEqual(2 ** 18)
        tweak += 2 * c.andGates * chunk.instances
        block += c.garblerInputs * chunk.instances
      }
      cursor = next
    }
    expect(cursor).toEqual({ tweak, block })
  })

  it('stops before tweaks lose exactness', () => {
    const cursor = { tweak: Number.MAX_SAFE_INTEGER - 2 * circuit.andGates * 8, block: 0 }
    expect(layOutStep(circuit, 8, cursor).next.tweak).toBe(Number.MAX_SAFE_INTEGER)
    expect(() => layOutStep(circuit, 9, cursor)).toThrow(RangeError)
  })
})

describe('choice bits', () => {
  it('follow each other without gaps in transfer order', () => {
    for (const [wires, n] of [
      [3, 1],
      [5, 7],
      [4, 8],
      [9, 13],
      [3, 16],
      [2, 129],
    ]) {
      const row = Math.ceil(n / 8)
      const bits = testStream(`gaps ${wires} ${n}`)
        .bytes(wires * row)
        .slice()
      if (n % 8 !== 0) for (let w = 0; w < wires; w++) bits[(w + 1) * row - 1] &= (1 << (n % 8)) - 1
      const out = choiceBits(bits, wires, n)
      expect(out.length).toBe(Math.ceil((wires * n) / 8))
      for (let w = 0; w < wires; w++) {
        for (let j = 0; j < n; j++) {
          const at = w * n + j
          expect((out[at >> 3] >> (at & 7)) & 1).toBe((bits[w * row + (j >> 3)] >> (j & 7)) & 1)
        }
      }
    }
    expect(() => choiceBits(new Uint8Array(3), 2, 8)).toThrow(RangeError)
  })
})
