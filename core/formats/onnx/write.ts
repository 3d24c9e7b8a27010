/**
 * Our networks as ONNX (onnx.ai/onnx/operators), in standard operators only, so that any runtime runs them. A masked ReLU
 * is a PRelu whose slope is 0 where the ReLU is kept and 1 where the value passes: x * 1 is x, bit for bit.
 */
import { AdytonError } from '../../errors/errors.ts'
import type { Graph, GraphNode, PoolNode, Shape, Tensors } from '../../network/graph.ts'
import { elements, inferShapes } from '../../network/shapes.ts'
import { checkTensors, floats, tensorSpecs } from '../../network/tensors.ts'
import { parseCard, type Model } from '../model-directory.ts'
import { attribute, tensor, valueInfo } from './make.ts'
import { METADATA } from './metadata.ts'
import { encodeModel, type OnnxAttribute, type OnnxNode, type OnnxTensor, type Writable } from './proto.ts'

/** Operator sets that can be written; the operators used are the same in all of them. */
export const WRITTEN_OPSETS = { min: 13, max: 21 } as const
const DEFAULT_OPSET = 17

const INPUT_NAME = 'image'
const OUTPUT_NAME = 'logits'

/** A message of protocol buffers is shorter than 2 GiB; what is not weights takes far less than the difference. */
const MAX_WEIGHT_BYTES = 2 ** 31 - 2 ** 26

export interface OnnxWriteOptions {
  /** From 13 to 21; 17 if left out, which onnxruntime reads since 1.12. */
  readonly opset?: number
  /** Version of this program, for the file's producer_version. */
  readonly version?: string
}

/** The lowest IR version that may go with an operator set (github.com/onnx/onnx, docs/Versioning.md). */
function irVersion(opset: number): number {
  if (opset < 15) return 7
  if (opset < 19) return 8
  return opset < 21 ? 9 : 10
}

interface Operator {
  readonly opType: string
  readonly attributes?: readonly Writable<OnnxAttribute>[]
  /** Constant inputs, which come after the node's own. */
  readonly constants?: readonly { readonly name: string; readonly dims: Shape; readonly data: Float32Array }[]
}

function window({ kernel, stride, padding }: Pick<PoolNode, 'kernel' | 'stride' | 'padding'>) {
  return [
    attribute('kernel_shape', kernel),
    attribute('strides', [stride, stride]),
    attribute('pads', [padding, padding, padding, padding]),
  ]
}

/** `shape` is that of the node's value. */
function operatorOf(node: GraphNode, shape: Shape, tensors: Tensors): Operator {
  const constant = (kind: string) => {
    const name = `${node.id}.${kind}`
    return { name, dims: tensors.get(name)?.shape ?? [], data: floats(tensors, name) }
  }
  switch (node.op) {
    case 'input':
      throw new RangeError('the input is no operator')
    case 'conv2d': {
      const attributes = [...window(node), attribute('group', node.groups)]
      const constants = [constant('weight'), ...(node.bias ? [constant('bias')] : [])]
      return { opType: 'Conv', attributes, constants }
    }
    case 'dense': {
      const constants = [constant('weight'), ...(node.bias ? [constant('bias')] : [])]
      return { opType: 'Gemm', attributes: [attribute('transB', 1)], constants }
    }
    case 'batchNorm':
      return {
        opType: 'BatchNormalization',
        attributes: [attribute('epsilon', node.epsilon, 'float')],
        constants: ['gamma', 'beta', 'mean', 'variance'].map(constant),
      }
    case 'relu':
      return reluOperator(node, shape, tensors)
    case 'add':
      return { opType: 'Add' }
    case 'concat':
      return { opType: 'Concat', attributes: [attribute('axis', 1)] }
    case 'averagePool':
      return { opType: 'AveragePool', attributes: [...window(node), attribute('count_include_pad', 1)] }
    case 'maxPool':
      return { opType: 'MaxPool', attributes: window(node) }
    case 'globalAveragePool':
      return { opType: 'GlobalAveragePool' }
    case 'flatten':
      return { opType: 'Flatten', attributes: [attribute('axis', 1)] }
  }
}

function reluOperator(node: GraphNode & { readonly op: 'relu' }, shape: Shape, tensors: Tensors): Operator {
  const mask = node.mask === 'none' ? undefined : tensors.get(`${node.id}.mask`)?.data
  if (mask === undefined) return { opType: 'Relu' }
  const dims = node.mask === 'element' || shape.length === 1 ? shape : [shape[0], 1, 1]
  const data = Float32Array.from(mask, (kept) => 1 - kept)
  return { opType: 'PRelu', constants: [{ name: `${node.id}.slope`, dims, data }] }
}

/** Names that a file has once only; the first to ask for a name gets it. */
class Names {
  readonly #taken = new Set<string>()

  take(name: string): string {
    let free = name
    for (let i = 2; this.#taken.has(free); i++) free = `${name}_${i}`
    this.#taken.add(free)
    return free
  }
}

/** Name of every node's value: its id, but for the input and the output of the network. */
function valueNames(graph: Graph, names: Names): Map<string, string> {
  const { nodes } = graph
  const [first, last] = [nodes[0].id, nodes[nodes.length - 1].id]
  const values = new Map([
    [first, names.take(INPUT_NAME)],
    [last, names.take(OUTPUT_NAME)],
  ])
  for (const { id } of nodes) if (!values.has(id)) values.set(id, names.take(id))
  return values
}

function checkSize(graph: Graph): void {
  const bytes = tensorSpecs(graph).reduce((sum, { shape }) => sum + 4 * elements(shape), 0)
  if (bytes <= MAX_WEIGHT_BYTES) return
  throw new AdytonError('file-unsupported', `network '${graph.name}': ${bytes} bytes of weights do not fit in ONNX`, {
    advice: 'An ONNX file in one piece holds 2 GiB at most. Export as another format.',
  })
}

function metadata({ graph, card, calibration }: Model): { key: string; value: string }[] {
  const entry = (key: string, value: unknown) => ({ key, value: JSON.stringify(value) })
  return [
    entry(METADATA.card, parseCard(card)),
    ...(graph.stages === undefined ? [] : [entry(METADATA.stages, graph.stages)]),
    ...(calibration === undefined ? [] : [entry(METADATA.calibration, calibration)]),
  ]
}

/**
 * The bytes of an ONNX file, the same for the same model and options. Input 'image' is [N, channels, height, width] or
 * [N, features], output 'logits'; nodes and weights have our names, and masks become `<id>.slope`.
 *
 * Preprocessing is not in the graph: the input is (pixel / 255 - mean) / std by channel, by the card's `preprocessing`.
 * The card, stages and calibration are JSON in the file's metadata, see {@link METADATA}.
 *
 * Throws AdytonError 'model-invalid' when graph, tensors or card are not, 'file-unsupported' for weights of 2 GiB.
 */
export function writeOnnx(model: Model, options: OnnxWriteOptions = {}): Uint8Array {
  const { opset = DEFAULT_OPSET, version } = options
  if (!Number.isInteger(opset) || opset < WRITTEN_OPSETS.min || opset > WRITTEN_OPSETS.max) {
    throw new RangeError(`opset must be from ${WRITTEN_OPSETS.min} to ${WRITTEN_OPSETS.max}, got ${opset}`)
  }
  const { graph, tensors } = model
  checkSize(graph)
  checkTensors(graph, tensors)
  const shapes = inferShapes(graph)
  const names = new Names()
  const values = valueNames(graph, names)
  const valueOf = (id: string): string => values.get(id) as string
  const shapeOf = (id: string): Shape => shapes.get(id) as Shape

  const node: Writable<OnnxNode>[] = []
  const initializer: Writable<OnnxTensor>[] = []
  for (const layer of graph.nodes.slice(1)) {
    const { opType, attributes, constants = [] } = operatorOf(layer, shapeOf(layer.id), tensors)
    const weights = constants.map(({ name, dims, data }) => tensor(names.take(name), dims, data))
    initializer.push(...weights)
    node.push({
      input: [...layer.inputs.map(valueOf), ...weights.map((weight) => weight.name as string)],
      output: [valueOf(layer.id)],
      name: layer.id,
      opType,
      ...(attributes === undefined ? {} : { attribute: attributes }),
    })
  }
  const [first, last] = [graph.nodes[0].id, graph.nodes[graph.nodes.length - 1].id]
  return encodeModel({
    irVersion: irVersion(opset),
    opsetImport: [{ domain: '', version: opset }],
    producerName: 'adyton',
    ...(version === undefined ? {} : { producerVersion: version }),
    graph: {
      name: graph.name,
      node,
      initializer,
      input: [valueInfo(valueOf(first), ['N', ...shapeOf(first)])],
      output: [valueInfo(valueOf(last), ['N', ...shapeOf(last)])],
    },
    metadataProps: metadata(model),
  })
}
