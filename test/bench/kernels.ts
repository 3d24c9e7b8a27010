/**
 * Speed of every implementation of the kernels that runs on this machine; run by hand:
 *   npx node test/bench/kernels.ts [reference|portable|avx2|vaes512 ...]
 * Each figure is the best of several runs, one thread.
 */
import { randomBytes, randomFillSync } from 'node:crypto'
import {
  availableNative,
  GATE_AND,
  GATE_XOR,
  loadKernels,
  type Circuit,
  type Kernels,
} from '../../core/kernels/index.ts'

/** Add, mask by the sign, subtract: the shape of a 32-bit ReLU with truncation by 12, 81 AND gates. */
function reluCircuit(): Circuit {
  const [l, f] = [32, 12]
  const gates: number[] = []
  let wires = 3 * l
  const gate = (op: number, a: number, b: number): number => {
    gates.push(op, a, b, wires)
    return wires++
  }
  const xor = (a: number, b: number): number => gate(GATE_XOR, a, b)
  // Ripple-carry addition with one AND a bit: carry' = ((x ^ c) & (y ^ c)) ^ c.
  const add = (x: number[], y: number[]): number[] => {
    const out = [xor(x[0], y[0])]
    let carry = gate(GATE_AND, x[0], y[0])
    for (let i = 1; i < x.length; i++) {
      out.push(xor(xor(x[i], y[i]), carry))
      if (i < x.length - 1) carry = xor(gate(GATE_AND, xor(x[i], carry), xor(y[i], carry)), carry)
    }
    return out
  }
  const range = (from: number, count: number): number[] => Array.from({ length: count }, (_, i) => from + i)
  const sum = add(range(0, l), range(l, l))
  const kept = sum.slice(f, l - 1).map((bit) => gate(GATE_AND, bit, sum[l - 1]))
  const outputs = add([...kept, ...range(2 * l + kept.length, l - kept.length)], range(2 * l, l))
  const andGates = gates.filter((op, i) => i % 4 === 0 && op === GATE_AND).length
  return {
    garblerInputs: l,
    evaluatorInputs: 2 * l,
    gates: Int32Array.from(gates),
    andGates,
    wires,
    outputs: Int32Array.from(outputs),
  }
}

/** Best time of several runs, in seconds. */
function best(runs: number, work: () => unknown): number {
  let least = Infinity
  for (let i = 0; i < runs; i++) {
    const from = performance.now()
    work()
    least = Math.min(least, (performance.now() - from) / 1000)
  }
  return least
}

const random = (bytes: number): Uint8Array => randomFillSync(new Uint8Array(bytes))

/** ResNet-18 at 32 x 32: [channels in, side, channels out, kernel, stride, count]. */
const RESNET18 = [
  [3, 32, 64, 3, 1, 1],
  [64, 32, 64, 3, 1, 4],
  [64, 32, 128, 3, 2, 1],
  [64, 32, 128, 1, 2, 1],
  [128, 16, 128, 3, 1, 3],
  [128, 16, 256, 3, 2, 1],
  [128, 16, 256, 1, 2, 1],
  [256, 8, 256, 3, 1, 3],
  [256, 8, 512, 3, 2, 1],
  [256, 8, 512, 1, 2, 1],
  [512, 4, 512, 3, 1, 3],
] as const

function benchGarbling(kernels: Kernels, instances: number, runs: number): void {
  const circuit = reluCircuit()
  const delta = random(16)
  delta[0] |= 1
  const context = { circuit, instances, start: random(16), firstTweak: 0 }
  const garblerZero = kernels.expandLabels(randomBytes(16), 0, circuit.garblerInputs * instances)
  const evaluatorZero = kernels.expandLabels(randomBytes(16), 0, circuit.evaluatorInputs * instances)
  let { tables } = kernels.garble({ ...context, delta, garblerZero, evaluatorZero })
  const million = (circuit.andGates * instances) / 1e6
  const fresh = best(runs, () => kernels.garble({ ...context, delta, garblerZero, evaluatorZero }))
  const garbled = best(
    runs,
    () => ({ tables } = kernels.garble({ ...context, delta, garblerZero, evaluatorZero, tables })),
  )
  const input = { ...context, garblerLabels: garblerZero, evaluatorLabels: evaluatorZero, tables }
  const evaluated = best(runs, () => kernels.evaluate(input))
  const figures = [fresh, garbled, evaluated].map((time) => (million / time).toFixed(1)).join(' | ')
  const size = `${instances} instances of ${circuit.andGates} ANDs`
  console.log(`  garble | into reused tables | evaluate, ${size}: ${figures} M AND/s`)
}

function benchConvolution(kernels: Kernels, runs: number): void {
  for (const stride of [1, 2] as const) {
    let total = 0
    let macs = 0
    for (const [inChannels, side, outChannels, kernel, convStride, count] of RESNET18) {
      const geometry = {
        inChannels,
        inHeight: side,
        inWidth: side,
        outChannels,
        kernelHeight: kernel,
        kernelWidth: kernel,
        stride: convStride,
        padding: (kernel - 1) / 2,
        groups: 1,
      }
      const words = randomFillSync(new Uint32Array(inChannels * side * side * stride))
      const weights = randomFillSync(new Int32Array(outChannels * inChannels * kernel * kernel)).map((w) => w >> 19)
      total += count * best(runs, () => kernels.conv2d(words, stride, weights, geometry))
      macs += count * weights.length * (side / convStride) ** 2
    }
    console.log(
      `  ResNet-18 convolutions (${(macs / 1e9).toFixed(2)} GMAC), ${32 * stride} bits: ${(total * 1000).toFixed(0)} ms`,
    )
  }
  for (const stride of [1, 2] as const) {
    const [rows, cols] = [4096, 4096]
    const words = randomFillSync(new Uint32Array(cols * stride))
    const weights = randomFillSync(new Int32Array(rows * cols)).map((w) => w >> 19)
    const time = best(runs, () => kernels.matvec(words, stride, weights, rows, cols))
    console.log(`  ${rows} x ${cols} matrix by vector, ${32 * stride} bits: ${(time * 1000).toFixed(1)} ms`)
  }
}

function benchBits(kernels: Kernels, runs: number): void {
  const n = 2 ** 20
  const rate = (bytes: number, seconds: number): string => `${(bytes / seconds / 1e9).toFixed(2)} GB/s`
  const matrix = random(n * 16)
  console.log(
    `  transpose128: ${rate(
      n * 16,
      best(runs, () => kernels.transpose128(matrix, n)),
    )}`,
  )
  const key = random(16)
  console.log(
    `  expandLabels: ${rate(
      n * 16,
      best(runs, () => kernels.expandLabels(key, 0, n)),
    )}`,
  )
  const bits = random(n / 8)
  console.log(
    `  selectLabels: ${rate(
      n * 16,
      best(runs, () => kernels.selectLabels(matrix, bits, 1, n, key)),
    )}`,
  )
  const words = randomFillSync(new Uint32Array(n))
  const sliced = kernels.sliceBits(words, 1, n, 32)
  console.log(
    `  sliceBits: ${rate(
      n * 4,
      best(runs, () => kernels.sliceBits(words, 1, n, 32)),
    )}`,
  )
  console.log(
    `  joinBits: ${rate(
      n * 4,
      best(runs, () => kernels.joinBits(sliced, 1, n, 32)),
    )}`,
  )
}

const wanted = process.argv.slice(2)
for (const name of ['reference', ...availableNative()] as const) {
  if (wanted.length > 0 && !wanted.includes(name)) continue
  const kernels = loadKernels({ force: name === 'reference' ? 'reference' : `native:${name}` })
  const slow = name === 'reference' || name === 'portable'
  console.log(kernels.name)
  benchGarbling(kernels, slow ? 2048 : 16384, slow ? 3 : 20)
  benchConvolution(kernels, slow ? 1 : 5)
  benchBits(kernels, slow ? 2 : 5)
}
