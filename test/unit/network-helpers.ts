/** Shared by the network tests: a naive evaluator, a stand-in HE planner, random graphs. */
import type { Graph, GraphNode, Shape, Tensors } from '../../core/network/graph.ts'
import type { HePlanner } from '../../core/network/lower/options.ts'
import type { LoweredModel } from '../../core/network/plan.ts'
import { inferShapes } from '../../core/network/shapes.ts'
import { Prg } from '../../core/ring/prg.ts'

/** A deterministic generator for tests. */
export function prg(seed: number): Prg {
  const key = new Uint8Array(16)
  new DataView(key.buffer).setUint32(0, seed)
  return new Prg(key)
}

/** Fixed parameters, tiles of one channel and one output, and errors of 2^-45 an element. */
export const planner: HePlanner = {
  parameters: (plainBits) => ({ plainBits, polyDegree: 8192, primeBits: [54, 54, 54] }),
  tiling: (g) => ({ channels: 1, outputs: 1, height: g.kernelHeight, width: g.kernelWidth }),
  roundingFailure: () => 2 ** -45,
}

type Map3 = number[][][]

function toMap(x: ArrayLike<number>, [c, h = 1, w = 1]: Shape): Map3 {
  return Array.from({ length: c }, (_, i) =>
    Array.from({ length: h }, (_, y) => Array.from({ length: w }, (_, z) => x[(i * h + y) * w + z])),
  )
}

/**
 * The definition of every operation, written as nested loops over [channel][y][x] lists of doubles; shares no code
 * with core/network/float.ts.
 */
export function naive(graph: Graph, tensors: Tensors, image: ArrayLike<number>): Map<string, number[]> {
  const values = new Map<string, Map3>()
  const t = (node: GraphNode, name: string): ArrayLike<number> => tensors.get(`${node.id}.${name}`)?.data ?? []
  for (const node of graph.nodes) {
    const xs = node.inputs.map((id) => values.get(id) as Map3)
    const x = xs[0]
    const each = (f: (v: number, c: number, y: number, z: number) => number): Map3 =>
      x.map((plane, c) => plane.map((row, y) => row.map((v, z) => f(v, c, y, z))))
    const windows = (kernel: readonly [number, number], stride: number, padding: number, f: (w: number[]) => number) =>
      x.map((plane) => {
        const out: number[][] = []
        for (let y = -padding; y + kernel[0] <= plane.length + padding; y += stride) {
          const row: number[] = []
          for (let z = -padding; z + kernel[1] <= plane[0].length + padding; z += stride) {
            const seen: number[] = []
            for (let i = y; i < y + kernel[0]; i++)
              for (let j = z; j < z + kernel[1]; j++) {
                const v = plane[i]?.[j]
                if (v !== undefined) seen.push(v)
              }
            row.push(f(seen))
          }
          out.push(row)
        }
        return out
      })
    switch (node.op) {
      case 'input':
        values.set(node.id, toMap(image, node.shape))
        break
      case 'conv2d': {
        const w = t(node, 'weight')
        const b = t(node, 'bias')
        const per = x.length / node.groups
        const [kh, kw] = node.kernel
        const out: Map3 = []
        for (let m = 0; m < node.outChannels; m++) {
          const group = Math.floor((m * node.groups) / node.outChannels)
          out[m] = []
          for (let oy = 0; oy * node.stride + kh <= x[0].length + 2 * node.padding; oy++) {
            out[m][oy] = []
            for (let ox = 0; ox * node.stride + kw <= x[0][0].length + 2 * node.padding; ox++) {
              let sum = node.bias ? b[m] : 0
              for (let c = 0; c < per; c++)
                for (let i = 0; i < kh; i++)
                  for (let j = 0; j < kw; j++) {
                    const y = oy * node.stride + i - node.padding
                    const z = ox * node.stride + j - node.padding
                    sum += w[((m * per + c) * kh + i) * kw + j] * (x[group * per + c]?.[y]?.[z] ?? 0)
                  }
              out[m][oy][ox] = sum
            }
          }
        }
        values.set(node.id, out)
        break
      }
      case 'dense': {
        const w = t(node, 'weight')
        const b = t(node, 'bias')
        const out: Map3 = []
        for (let m = 0; m < node.outFeatures; m++) {
          let sum = node.bias ? b[m] : 0
          for (let c = 0; c < x.length; c++) sum += w[m * x.length + c] * x[c][0][0]
          out[m] = [[sum]]
        }
        values.set(node.id, out)
        break
      }
      case 'batchNorm': {
        const [g, b, m, s] = [t(node, 'gamma'), t(node, 'beta'), t(node, 'mean'), t(node, 'variance')]
        values.set(
          node.id,
          each((v, c) => (g[c] * (v - m[c])) / Math.sqrt(s[c] + node.epsilon) + b[c]),
        )
        break
      }
      case 'relu': {
        const mask = t(node, 'mask')
        const [h, w] = [x[0].length, x[0][0].length]
        const kept = (c: number, y: number, z: number): boolean =>
          node.mask === 'none' || mask[node.mask === 'channel' ? c : (c * h + y) * w + z] === 1
        values.set(
          node.id,
          each((v, c, y, z) => (kept(c, y, z) ? Math.max(0, v) : v)),
        )
        break
      }
      case 'add':
        values.set(
          node.id,
          each((v, c, y, z) => v + xs[1][c][y][z]),
        )
        break
      case 'concat':
        values.set(node.id, xs.flat())
        break
      case 'averagePool': {
        const size = node.kernel[0] * node.kernel[1]
        const mean = (w: number[]): number => w.reduce((a, b) => a + b, 0) / size
        values.set(node.id, windows(node.kernel, node.stride, node.padding, mean))
        break
      }
      case 'maxPool':
        values.set(
          node.id,
          windows(node.kernel, node.stride, node.padding, (w) => Math.max(...w)),
        )
        break
      case 'globalAveragePool':
        values.set(
          node.id,
          x.map((plane) => [[plane.flat().reduce((a, b) => a + b, 0) / plane.flat().length]]),
        )
        break
      case 'flatten':
        values.set(
          node.id,
          x.flat(2).map((v) => [[v]]),
        )
        break
    }
  }
  return new Map([...values].map(([id, map]) => [id, map.flat(2)]))
}

/** Reads choices from a list of non-negative integers; 0 once it is used up. */
class Choices {
  #at = 0
  readonly #list: readonly number[]

  constructor(list: readonly number[]) {
    this.#list = list
  }

  below(n: number): number {
    return (this.#list[this.#at++] ?? 0) % n
  }
}

const OPS = ['conv', 'conv', 'norm', 'relu', 'relu', 'add', 'concat', 'average', 'max'] as const

/** Any list of integers gives a valid graph: `size` random nodes on a 2x6x6 image, then a classifier of 3. */
export function randomGraph(list: readonly number[], size: number): Graph {
  const pick = new Choices(list)
  const nodes: GraphNode[] = [{ id: 'in', op: 'input', inputs: [], shape: [2, 6, 6] }]
  const shapes = (): ReadonlyMap<string, Shape> =>
    nodes.length === 1 ? new Map([['in', [2, 6, 6]]]) : inferShapes({ name: 'random', nodes })
  for (let i = 0; i < size; i++) {
    const known = shapes()
    // Mostly the latest node, so that graphs get deep.
    const from = nodes[Math.max(0, nodes.length - 1 - (pick.below(3) === 0 ? pick.below(nodes.length) : 0))]
    const [channels, height] = known.get(from.id) as Shape
    const id = `n${i}`
    const inputs = [from.id]
    const op = OPS[pick.below(OPS.length)]
    const alike = (test: (s: Shape) => boolean): string => {
      const found = nodes.filter((node) => test(known.get(node.id) as Shape))
      return found[pick.below(found.length)].id
    }
    const fits = height >= 2
    if (op === 'norm') nodes.push({ id, op: 'batchNorm', inputs, epsilon: 1e-5 })
    else if (op === 'relu')
      nodes.push({ id, op: 'relu', inputs, mask: (['none', 'element', 'channel'] as const)[pick.below(3)] })
    else if (op === 'add') {
      const other = alike((s) => s[0] === channels && s[1] === height)
      nodes.push({ id, op: 'add', inputs: [from.id, other] })
    } else if (op === 'concat' && channels < 8) {
      nodes.push({ id, op: 'concat', inputs: [from.id, alike((s) => s[1] === height && s[0] < 8)] })
    } else if (op === 'average' && fits) {
      nodes.push({ id, op: 'averagePool', inputs, kernel: [2, 2], stride: 1 + pick.below(2), padding: pick.below(2) })
    } else if (op === 'max' && fits) {
      nodes.push({ id, op: 'maxPool', inputs, kernel: [2, 2], stride: 1 + pick.below(2), padding: pick.below(2) })
    } else {
      const kernel = height >= 2 ? 1 + pick.below(3) : 1
      const grouped = pick.below(3) === 0 && channels > 1
      const outChannels = grouped ? channels : 1 + pick.below(5)
      const stride = 1 + pick.below(2)
      const groups = grouped ? channels : 1
      const bias = pick.below(2) === 0
      nodes.push({ id, op: 'conv2d', inputs, outChannels, kernel: [kernel, kernel], stride, padding: 1, groups, bias })
    }
  }
  const last = nodes[nodes.length - 1].id
  nodes.push({ id: 'flat', op: 'flatten', inputs: [last] })
  nodes.push({ id: 'out', op: 'dense', inputs: ['flat'], outFeatures: 3, bias: true })
  return { name: 'random', nodes }
}

/**
 * Bound on |dequantised value - float value| for the last value of a lowered model, from the rounding of every
 * number on the way: half a unit for inputs, weights and biases, one unit for each truncation.
 * `largest[i]` is the largest |integer| of value i in the run that is judged.
 */
export function errorBound({ plan, secret }: LoweredModel, largest: readonly number[]): number {
  const unit = (i: number): number => 1 / (2 ** plan.values[i].scale * plan.values[i].divisor)
  const error = plan.values.map(() => 0)
  error[0] = 0.5 * unit(0)
  let last = 0
  for (const step of plan.steps) {
    switch (step.op) {
      case 'linear': {
        const weights = secret.weights.get(step.id) as Int32Array
        const taps = weights.length / step.geometry.outChannels
        let norm = 0
        for (let m = 0; m < step.geometry.outChannels; m++) {
          let sum = 0.5 * taps
          for (const w of weights.subarray(m * taps, (m + 1) * taps)) sum += Math.abs(w)
          norm = Math.max(norm, sum)
        }
        const inputs = error[step.input] / unit(step.input)
        error[step.output] = (norm * inputs + 0.5 * taps * largest[step.input] + 0.5) * unit(step.output)
        break
      }
      case 'add':
        error[step.output] = error[step.inputs[0]] + error[step.inputs[1]]
        break
      case 'concat':
        error[step.output] = Math.max(...step.inputs.map((i) => error[i]))
        break
      case 'sumPool':
      case 'reshape':
        error[step.output] = error[step.input]
        break
      case 'activation':
      case 'maxPool':
        error[step.output] = error[step.input] + (step.shift > 0 ? unit(step.output) : 0)
        break
      case 'reveal':
        last = error[step.input]
    }
  }
  return last
}
