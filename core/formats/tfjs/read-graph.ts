/** TensorFlow.js graph models: TensorFlow's operations, with constants in the manifest by the names of their nodes. */
import { AdytonError } from '../../errors/errors.ts'
import { LIMITS } from '../../network/shapes.ts'
import { NetworkBuilder } from '../import/builder.ts'
import type { ImportedNetwork } from '../import/format.ts'
import { MIXED, TensorFlowBuilder, USE_ONE, type DataFormat } from '../keras/values.ts'
import type { TfjsFile } from './artifacts.ts'
import { parseGraphDef, type GraphDef, type GraphNode } from './graph-def.ts'
import { startGraphReference } from './graph-reference.ts'
import { OPERATIONS, type Result } from './operations.ts'

/** Throws AdytonError naming the node and the operation that cannot be run. */
export function readGraphModel(file: TfjsFile): ImportedNetwork {
  const { path, json, weights, producer } = file
  const graph = parseGraphDef(json.modelTopology, json.signature, path)
  const order = needed(graph, path)
  const format = formatOf(order)
  const builder = new NetworkBuilder('graph')
  const build = new TensorFlowBuilder(builder, format)
  const results = new Map<string, Result>()
  for (const node of inputsFirst(order)) {
    const { name, op } = node
    if (op === 'Placeholder') results.set(name, { value: build.input({ name, operator: op }, inputShape(node)) })
    else if (op === 'Const') {
      const constant = weights.get(name)
      if (constant === undefined) throw corrupt(path, `there are no weights for node '${name}'`)
      results.set(name, { constant })
    } else {
      const run = OPERATIONS.get(op)
      if (run === undefined) {
        return node.refuse(
          'not an operation that can be imported',
          'Use convolutions, dense layers, batch norms, ReLUs, sums and poolings.',
        )
      }
      const inputs = node.inputs.map((from) => results.get(from) as Result)
      results.set(name, run({ node, inputs, build }))
    }
  }
  const last = results.get(graph.output) as Result
  if ('constant' in last) throw corrupt(path, `the output '${graph.output}' does not depend on the input`)
  const { value } = last
  if (value.softmax !== undefined) {
    builder.note({ name: value.softmax, operator: 'Softmax' }, 'left out: outputs are logits')
  }
  const output = build.output({ name: graph.output, operator: 'output' }, value)
  const built = builder.finish(output.id)
  const read = { graph: built.graph, tensors: built.tensors, ...(producer === undefined ? {} : { producer }) }
  if (format === 'channels_first') {
    const why = "not compared with the file's own: TensorFlow.js pools and normalises channels last only"
    return { ...read, notes: [...built.notes, why] }
  }
  // Without a Placeholder the builder has refused already.
  const entry = order.find(({ op }) => op === 'Placeholder') as GraphNode
  const input = { name: entry.name, shape: inputShape(entry) }
  const reference = { file, nodes: order, input, output: graph.output, softmax: value.softmax }
  return { ...read, notes: built.notes, reference: () => startGraphReference(reference) }
}

function corrupt(path: string, reason: string): AdytonError {
  return new AdytonError('file-corrupt', `${path}: ${reason.slice(0, 400)}`, { advice: 'Export the model again.' })
}

/** The nodes that the output depends on, each after those it reads. */
function needed({ nodes, output }: GraphDef, path: string): GraphNode[] {
  const order: GraphNode[] = []
  const done = new Set<string>()
  const begun = new Set<string>()
  const stack = [output]
  while (stack.length > 0) {
    const name = stack[stack.length - 1]
    const node = nodes.get(name)
    if (node === undefined) throw corrupt(path, `there is no node '${name}'`)
    const missing = node.inputs.filter((from) => !done.has(from))
    if (missing.length === 0) {
      if (!done.has(name)) order.push(node)
      done.add(name)
      stack.pop()
    } else {
      if (begun.has(name)) throw corrupt(path, `node '${name}' reads its own output`)
      begun.add(name)
      stack.push(...missing)
    }
  }
  const computing = order.filter(({ op }) => op !== 'Const').length
  if (computing > 4 * LIMITS.nodes) {
    throw new AdytonError('file-unsupported', `${path}: the graph has ${computing} operations`, {
      advice: 'Only smaller networks can be run privately.',
    })
  }
  return order
}

function inputsFirst(order: readonly GraphNode[]): GraphNode[] {
  const inputs = order.filter(({ op }) => op === 'Placeholder')
  if (inputs.length > 1) inputs[1].refuse('a second input', 'Only models of one input can be run.')
  return [...inputs, ...order.filter(({ op }) => op !== 'Placeholder')]
}

/** Without the batch. */
function inputShape(node: GraphNode): number[] {
  const [, ...sizes] = node.shape('shape') ?? []
  if (sizes.length === 0 || sizes.some((d) => d < 1)) {
    node.refuse('a picture of any size', 'Convert the model with a fixed input shape.')
  }
  return sizes
}

function formatOf(order: readonly GraphNode[]): DataFormat {
  const spatial = order.filter(({ op }) => /Conv2|Pool|BatchNorm/.test(op))
  const formats = spatial.map((node) => node.text('data_format', 'NHWC'))
  const odd = formats.findIndex((format) => format !== formats[0])
  if (odd >= 0) spatial[odd].refuse(MIXED, USE_ONE)
  if (formats.length > 0 && formats[0] !== 'NHWC' && formats[0] !== 'NCHW') {
    spatial[0].refuse(`data_format '${formats[0].slice(0, 16)}'`, 'The file is damaged.')
  }
  return formats[0] === 'NCHW' ? 'channels_first' : 'channels_last'
}
