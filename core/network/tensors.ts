/**
 * The named tensors of a graph: which ones there must be, checks, random initialisation for tests and
 * benchmarks, and random masks with an exact number of kept ReLUs.
 */
import { AdytonError } from '../errors/errors.ts'
import type { Prg } from '../ring/prg.ts'
import type { Graph, GraphNode, Shape, Tensor, Tensors } from './graph.ts'
import { elements, inferShapes, sameShape, shapeText } from './shapes.ts'

/** What a graph expects of one tensor. */
export interface TensorSpec {
  readonly name: string
  readonly shape: Shape
  /** 'mask' is uint8 of 0 and 1; the others are float32. `variance` must not be negative. */
  readonly kind: 'weight' | 'bias' | 'gamma' | 'beta' | 'mean' | 'variance' | 'mask'
}

function specsOf(node: GraphNode, input: Shape | undefined, shape: Shape): TensorSpec[] {
  const spec = (kind: TensorSpec['kind'], s: Shape): TensorSpec => ({ name: `${node.id}.${kind}`, shape: s, kind })
  switch (node.op) {
    case 'conv2d': {
      const channels = (input as Shape)[0]
      const weight = spec('weight', [node.outChannels, channels / node.groups, node.kernel[0], node.kernel[1]])
      return node.bias ? [weight, spec('bias', [node.outChannels])] : [weight]
    }
    case 'dense': {
      const weight = spec('weight', [node.outFeatures, (input as Shape)[0]])
      return node.bias ? [weight, spec('bias', [node.outFeatures])] : [weight]
    }
    case 'batchNorm':
      return (['gamma', 'beta', 'mean', 'variance'] as const).map((kind) => spec(kind, [shape[0]]))
    case 'relu':
      return node.mask === 'none' ? [] : [spec('mask', node.mask === 'element' ? shape : [shape[0]])]
    default:
      return []
  }
}

/** Every tensor a graph needs, in node order. Throws 'model-invalid' for an invalid graph. */
export function tensorSpecs(graph: Graph): TensorSpec[] {
  const shapes = inferShapes(graph)
  return graph.nodes.flatMap((node) => specsOf(node, shapes.get(node.inputs[0]), shapes.get(node.id) as Shape))
}

function checkValues(name: string, kind: TensorSpec['kind'], data: Float32Array | Uint8Array): void {
  const bad = (i: number, expected: string): never => {
    throw new AdytonError('model-invalid', `tensor '${name}': expected ${expected}, got ${data[i]} at index ${i}`)
  }
  if (kind === 'mask') {
    for (let i = 0; i < data.length; i++) if (data[i] > 1) bad(i, '0 or 1')
    return
  }
  for (let i = 0; i < data.length; i++) if (!Number.isFinite(data[i])) bad(i, 'finite numbers')
  if (kind === 'variance') for (let i = 0; i < data.length; i++) if (data[i] < 0) bad(i, 'variances of at least 0')
}

/**
 * Checks that every tensor the graph needs is there with the right shape, type and values; tensors it does not
 * name are allowed. Throws AdytonError 'model-invalid' naming the tensor.
 */
export function checkTensors(graph: Graph, tensors: Tensors): void {
  for (const { name, shape, kind } of tensorSpecs(graph)) {
    const tensor = tensors.get(name)
    if (tensor === undefined) {
      throw new AdytonError('model-invalid', `tensor '${name}': expected shape ${shapeText(shape)}, got no such tensor`)
    }
    if (!sameShape(tensor.shape, shape) || tensor.data.length !== elements(shape)) {
      throw new AdytonError(
        'model-invalid',
        `tensor '${name}': expected shape ${shapeText(shape)}, got ${shapeText(tensor.shape)} with ${tensor.data.length} elements`,
      )
    }
    if (tensor.data instanceof Uint8Array !== (kind === 'mask')) {
      const wanted = kind === 'mask' ? 'uint8' : 'float32'
      throw new AdytonError('model-invalid', `tensor '${name}': expected ${wanted} data, got the other type`)
    }
    checkValues(name, kind, tensor.data)
  }
}

/** The data of a float tensor; the caller has run {@link checkTensors}. */
export function floats(tensors: Tensors, name: string): Float32Array {
  const data = tensors.get(name)?.data
  if (!(data instanceof Float32Array)) throw new RangeError(`tensor '${name}' is missing or not float`)
  return data
}

/** `count` uniform numbers in (0, 1], 32 bits each. */
function uniforms(prg: Prg, count: number): Float64Array {
  const raw = prg.bytes(4 * count)
  const words = new Uint32Array(raw.buffer, raw.byteOffset, count)
  const out = new Float64Array(count)
  for (let i = 0; i < count; i++) out[i] = (words[i] + 1) / 2 ** 32
  return out
}

/** `count` standard normal numbers (Box-Muller), as float32. */
export function normals(prg: Prg, count: number): Float32Array {
  const pairs = Math.ceil(count / 2)
  const u = uniforms(prg, 2 * pairs)
  const out = new Float32Array(2 * pairs)
  for (let i = 0; i < pairs; i++) {
    const radius = Math.sqrt(-2 * Math.log(u[2 * i]))
    out[2 * i] = radius * Math.cos(2 * Math.PI * u[2 * i + 1])
    out[2 * i + 1] = radius * Math.sin(2 * Math.PI * u[2 * i + 1])
  }
  return out.subarray(0, count)
}

function randomTensor(spec: TensorSpec, prg: Prg): Tensor {
  const count = elements(spec.shape)
  const { shape } = spec
  const around = (centre: number, spread: number): Tensor => ({
    shape,
    data: normals(prg, count).map((x) => centre + spread * x),
  })
  switch (spec.kind) {
    case 'weight':
      // He et al. 2015: variance 2 / fan-in keeps the scale of activations through ReLUs.
      return around(0, Math.sqrt(2 / (count / shape[0])))
    case 'variance':
      return { shape, data: Float32Array.from(uniforms(prg, count), (u) => 0.75 + 0.5 * u) }
    case 'gamma':
      return around(1, 0.1)
    case 'bias':
    case 'beta':
    case 'mean':
      return around(0, 0.1)
    case 'mask':
      return { shape, data: new Uint8Array(count).fill(1) }
  }
}

/** He-normal weights, batch norms near the identity and masks of ones: for tests and benchmarks. */
export function randomTensors(graph: Graph, prg: Prg): Map<string, Tensor> {
  return new Map(tensorSpecs(graph).map((spec) => [spec.name, randomTensor(spec, prg)]))
}

/**
 * Per-pixel masks that keep exactly round(keep * ReLUs) positions, drawn uniformly over the entire network.
 * Returns the graph with every ReLU masked by 'element' and the mask tensors, to be merged with the weights.
 * Throws RangeError unless 0 <= keep <= 1.
 */
export function randomMasks(
  graph: Graph,
  keep: number,
  prg: Prg,
): { readonly graph: Graph; readonly masks: Map<string, Tensor> } {
  if (!(keep >= 0 && keep <= 1)) throw new RangeError(`keep must be from 0 to 1, got ${keep}`)
  const shapes = inferShapes(graph)
  const relus = graph.nodes.filter((node) => node.op === 'relu')
  const total = relus.reduce((sum, node) => sum + elements(shapes.get(node.id) as Shape), 0)
  let wanted = Math.round(keep * total)
  let left = total
  const masks = new Map<string, Tensor>()
  for (const node of relus) {
    const shape = shapes.get(node.id) as Shape
    const data = new Uint8Array(elements(shape))
    const u = uniforms(prg, data.length)
    // Selection sampling (Knuth 3.4.2, algorithm S): exactly `wanted` of `left`, each subset equally likely.
    for (let i = 0; i < data.length; i++, left--) {
      if ((u[i] - 2 ** -32) * left < wanted) {
        data[i] = 1
        wanted--
      }
    }
    masks.set(`${node.id}.mask`, { shape, data })
  }
  const nodes = graph.nodes.map((node) => (node.op === 'relu' ? { ...node, mask: 'element' as const } : node))
  return { graph: { ...graph, nodes }, masks }
}

/** Kept positions of a ReLU: 'all', or the ascending indices where its mask is 1. */
export function keptPositions(
  node: GraphNode & { readonly op: 'relu' },
  shape: Shape,
  tensors: Tensors,
): 'all' | Uint32Array {
  if (node.mask === 'none') return 'all'
  const mask = tensors.get(`${node.id}.mask`)?.data
  if (mask === undefined) throw new RangeError(`tensor '${node.id}.mask' is missing`)
  const total = elements(shape)
  const run = total / mask.length
  let count = 0
  for (const m of mask) if (m !== 0) count += run
  if (count === total) return 'all'
  const out = new Uint32Array(count)
  let at = 0
  for (let i = 0; i < total; i++) if (mask[Math.floor(i / run)] !== 0) out[at++] = i
  return out
}
