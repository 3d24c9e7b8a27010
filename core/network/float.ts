/**
 * The clear float run: what the network computes without any privacy. Values are float32, sums double.
 * The reference for accuracy, for calibration and for the deviation of the private run.
 */
import { convolve, packWeights, type PackedWeights } from './convolve.ts'
import type { Graph, GraphNode, Shape, Tensors } from './graph.ts'
import { pool } from './pooling.ts'
import { convGeometry, denseGeometry, elements, inferShapes, shapeText } from './shapes.ts'
import { checkTensors, floats } from './tensors.ts'

export interface FloatResult {
  /** Value of the last node. */
  readonly logits: Float32Array
  /** Value of every node by id; only when asked for. */
  readonly values?: ReadonlyMap<string, Float32Array>
}

/** Runs one image; `image` is the input node's shape, flattened. */
export type FloatRunner = (image: Float32Array, options?: { readonly values?: boolean }) => FloatResult

/** Scale and shift that a batch norm applies per channel: gamma / sqrt(variance + epsilon), beta - mean * scale. */
export function batchNormAffine(
  node: GraphNode & { readonly op: 'batchNorm' },
  tensors: Tensors,
): { readonly scale: Float64Array; readonly shift: Float64Array } {
  const gamma = floats(tensors, `${node.id}.gamma`)
  const beta = floats(tensors, `${node.id}.beta`)
  const mean = floats(tensors, `${node.id}.mean`)
  const variance = floats(tensors, `${node.id}.variance`)
  const scale = Float64Array.from(gamma, (g, c) => g / Math.sqrt(variance[c] + node.epsilon))
  return { scale, shift: Float64Array.from(beta, (b, c) => b - mean[c] * scale[c]) }
}

type Step = (inputs: readonly Float32Array[]) => Float32Array

function linear(layer: PackedWeights, bias: Float32Array | undefined, length: number): Step {
  return ([x]) => convolve(layer, x, bias, new Float32Array(length))
}

function batchNorm(node: GraphNode & { readonly op: 'batchNorm' }, tensors: Tensors, shape: Shape): Step {
  const { scale, shift } = batchNormAffine(node, tensors)
  const spatial = elements(shape) / shape[0]
  return ([x]) => {
    const out = new Float32Array(x.length)
    for (let c = 0; c < shape[0]; c++)
      for (let i = c * spatial; i < (c + 1) * spatial; i++) out[i] = x[i] * scale[c] + shift[c]
    return out
  }
}

function relu(node: GraphNode & { readonly op: 'relu' }, tensors: Tensors, length: number): Step {
  const mask = node.mask === 'none' ? undefined : tensors.get(`${node.id}.mask`)?.data
  if (mask === undefined) return ([x]) => x.map((a) => (a > 0 ? a : 0))
  const run = length / mask.length
  return ([x]) => {
    const out = Float32Array.from(x)
    for (let c = 0; c < mask.length; c++) {
      if (mask[c] === 0) continue
      for (let i = c * run; i < (c + 1) * run; i++) if (!(out[i] > 0)) out[i] = 0
    }
    return out
  }
}

function average(window: Parameters<typeof pool>[3], input: Shape, length: number): Step {
  const size = window.kernel[0] * window.kernel[1]
  return ([x]) => {
    const out = pool('sum', x, input, window, new Float32Array(length))
    for (let i = 0; i < out.length; i++) out[i] /= size
    return out
  }
}

function concat(length: number): Step {
  return (inputs) => {
    const out = new Float32Array(length)
    let at = 0
    for (const x of inputs) {
      out.set(x, at)
      at += x.length
    }
    return out
  }
}

function stepOf(node: GraphNode, input: Shape, shape: Shape, tensors: Tensors): Step {
  const length = elements(shape)
  switch (node.op) {
    case 'input':
      return ([x]) => x
    case 'conv2d':
    case 'dense': {
      const geometry = node.op === 'conv2d' ? convGeometry(node, input) : denseGeometry(input[0], node.outFeatures)
      const layer = packWeights(geometry, floats(tensors, `${node.id}.weight`))
      return linear(layer, node.bias ? floats(tensors, `${node.id}.bias`) : undefined, length)
    }
    case 'batchNorm':
      return batchNorm(node, tensors, shape)
    case 'relu':
      return relu(node, tensors, length)
    case 'add':
      return ([a, b]) => a.map((x, i) => x + b[i])
    case 'concat':
      return concat(length)
    case 'averagePool':
      return average(node, input, length)
    case 'maxPool':
      return ([x]) => pool('max', x, input, node, new Float32Array(length))
    case 'globalAveragePool':
      return average({ kernel: [input[1], input[2]], stride: 1, padding: 0 }, input, length)
    case 'flatten':
      return ([x]) => x
  }
}

/**
 * Prepares a network for float runs over many images (weights are packed once). Throws AdytonError
 * 'model-invalid' when graph or tensors do not fit.
 */
export function floatRunner(graph: Graph, tensors: Tensors): FloatRunner {
  const shapes = inferShapes(graph)
  checkTensors(graph, tensors)
  const steps = graph.nodes.map((node) =>
    stepOf(node, shapes.get(node.inputs[0]) ?? [], shapes.get(node.id) as Shape, tensors),
  )
  const lastUse = new Map<string, number>()
  graph.nodes.forEach((node, i) => node.inputs.forEach((id) => lastUse.set(id, i)))
  const inputShape = shapes.get(graph.nodes[0].id) as Shape
  return (image, options = {}) => {
    if (image.length !== elements(inputShape)) {
      throw new RangeError(`an image of shape ${shapeText(inputShape)} was expected, got ${image.length} elements`)
    }
    const values = new Map<string, Float32Array>()
    let logits = image
    graph.nodes.forEach((node, i) => {
      const inputs = node.op === 'input' ? [image] : node.inputs.map((id) => values.get(id) as Float32Array)
      logits = steps[i](inputs)
      values.set(node.id, logits)
      if (options.values !== true) {
        for (const id of node.inputs) if (lastUse.get(id) === i) values.delete(id)
      }
    })
    return options.values === true ? { logits, values } : { logits }
  }
}

/** One float run; see {@link floatRunner} for many. */
export function runFloat(
  graph: Graph,
  tensors: Tensors,
  image: Float32Array,
  options?: { readonly values?: boolean },
): FloatResult {
  return floatRunner(graph, tensors)(image, options)
}
