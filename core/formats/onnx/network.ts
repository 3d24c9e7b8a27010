/** An ONNX graph, node by node, into ours. */
import { AdytonError } from '../../errors/errors.ts'
import type { Graph, Shape, Tensor } from '../../network/graph.ts'
import { LIMITS } from '../../network/shapes.ts'
import { NetworkBuilder } from '../import/builder.ts'
import { refuseNode } from '../import/format.ts'
import { Call, nameOf, type Reading } from './call.ts'
import { inputOf, outputOf, type NetworkInput } from './ends.ts'
import { OPERATORS } from './operators/index.ts'
import { whyRefused } from './operators/refused.ts'
import type { OnnxGraph, OnnxModel, OnnxNode, OnnxTensor } from './proto.ts'
import { readTensor, type Budget } from './tensors.ts'
import { dimsOf, inOurOrder, type Value } from './values.ts'

/** Lowest and highest version of the standard operators that is read. */
export const OPSETS = { min: 7, max: 26 } as const

/** Nodes of a file, constants and all. */
const MAX_NODES = 50_000

/** Numbers of four bytes that constants computed from constants may take, all together. */
const MAX_FOLDED = 2 ** 26

/** The operators of ONNX itself go by two names. */
const STANDARD = new Set(['', 'ai.onnx'])

export interface OnnxNetwork {
  readonly graph: Graph
  readonly tensors: Map<string, Tensor>
  readonly notes: readonly string[]
  readonly input: NetworkInput
  /** Name, in the file, of the value that our network computes: the scores before a Softmax. */
  readonly output: string
}

function unsupported(file: string, text: string, advice: string): never {
  throw new AdytonError('file-unsupported', `${file}: ${text}`, { advice })
}

function opsetOf(model: OnnxModel, file: string): number {
  const found = model.opsetImport.find(({ domain = '' }) => STANDARD.has(domain))?.version
  if (found === undefined) {
    throw new AdytonError('file-corrupt', `${file}: names no version of the standard operators (opset_import)`, {
      advice: 'Export the file again.',
    })
  }
  const range = `${OPSETS.min} to ${OPSETS.max}`
  if (found < OPSETS.min)
    unsupported(file, `opset ${found} is too old`, `Convert it (onnx.version_converter): ${range} are read.`)
  if (!(found <= OPSETS.max)) unsupported(file, `opset ${found} is too new`, `Export with an opset of ${range}.`)
  return found
}

function checkGraph(graph: OnnxGraph, file: string): void {
  if (graph.node.length > MAX_NODES) {
    unsupported(file, `${graph.node.length} nodes`, `At most ${MAX_NODES} are read, and ${LIMITS.nodes} layers.`)
  }
  if (graph.sparseInitializer.length > 0) {
    unsupported(file, 'weights in sparse form', 'Export the weights as ordinary tensors.')
  }
  const known = new Set([
    ...graph.input.map((value) => value.name ?? ''),
    ...graph.initializer.map((t) => t.name ?? ''),
  ])
  const written = new Set<string>()
  for (const node of graph.node) {
    for (const name of node.output) {
      if (name === '') continue
      if (known.has(name) || written.has(name)) {
        const reason = `writes '${name.slice(0, 128)}', which something else has written`
        refuseNode(nameOf(node), node.opType ?? '', reason, 'The file is damaged: export it again.')
      }
      written.add(name)
    }
  }
}

/** Nodes that `output` depends on; others are left alone, whatever they are. */
function neededFor(output: string, graph: OnnxGraph): Set<OnnxNode> {
  const writer = new Map(graph.node.flatMap((node) => node.output.map((name) => [name, node] as const)))
  const needed = new Set<OnnxNode>()
  const open = [output]
  for (let name = open.pop(); name !== undefined; name = open.pop()) {
    const node = name === '' ? undefined : writer.get(name)
    if (node === undefined || needed.has(node)) continue
    needed.add(node)
    open.push(...node.input)
  }
  return needed
}

function readersOf(nodes: ReadonlySet<OnnxNode>): Map<string, OnnxNode[]> {
  const readers = new Map<string, OnnxNode[]>()
  for (const node of nodes) {
    for (const name of node.input) {
      const list = readers.get(name)
      if (list === undefined) readers.set(name, [node])
      else list.push(node)
    }
  }
  return readers
}

function run(node: OnnxNode, reading: Reading): Value {
  const call = new Call(node, reading)
  const { opType = '', domain = '' } = node
  if (!STANDARD.has(domain)) {
    const advice = 'Export with standard operators (domain ai.onnx) only, and with functions inlined.'
    call.refuse(`an operator of the domain '${domain.slice(0, 64)}'`, advice)
  }
  const operator = OPERATORS.get(opType)
  if (operator === undefined) {
    const { reason, advice } = whyRefused(opType)
    return call.refuse(reason, advice)
  }
  return operator(call)
}

/** Throws AdytonError naming the file, or the node, its operator, the reason and what to change. */
export function readNetwork(model: OnnxModel, file: string, name: string): OnnxNetwork {
  const { graph } = model
  if (graph === undefined)
    throw new AdytonError('file-corrupt', `${file}: holds no graph`, { advice: 'Export it again.' })
  const opset = opsetOf(model, file)
  checkGraph(graph, file)
  const budget: Budget = { left: LIMITS.weights }
  const source = { file, budget }
  const output = outputOf(graph, file)
  const nodes = neededFor(output, graph)
  const readers = readersOf(nodes)
  const tensors = new Map(graph.initializer.map((tensor) => [tensor.name ?? '', tensor]))
  const values = new Map<string, Value>()
  const builder = new NetworkBuilder(name)
  const tensor = (given: OnnxTensor) => readTensor(given, source)

  const lookup = (wanted: string): Value | undefined => {
    const value = values.get(wanted)
    const stored = value === undefined ? tensors.get(wanted) : undefined
    if (stored === undefined) return value
    const constant = tensor(stored)
    values.set(wanted, constant)
    return constant
  }
  const input = inputOf(graph, file, { readers, lookup })
  values.set(input.name, {
    ...{ kind: 'activation', shape: input.shape, groups: input.groups },
    id: builder.input({ name: input.name, operator: 'input' }, input.shape),
  })
  let folded = 0
  const reading: Reading = {
    ...{ builder, opset, batch: input.batch, lookup, tensor, fused: new Set<OnnxNode>() },
    onlyReader: (value) => (readers.get(value)?.length === 1 && value !== output ? readers.get(value)?.[0] : undefined),
    isRead: (value) => readers.has(value) || value === output,
    spend: (numbers) => {
      folded += numbers
      if (folded > MAX_FOLDED)
        unsupported(file, 'its constants grow too large', 'Fold constants when the model is exported.')
    },
  }
  for (const node of graph.node) {
    if (nodes.has(node)) values.set(node.output[0], run(node, reading))
  }
  return { ...finish(builder, lookup(output), output, file), input }
}

function finish(
  builder: NetworkBuilder,
  end: Value | undefined,
  output: string,
  file: string,
): Omit<OnnxNetwork, 'input'> {
  if (end === undefined) {
    throw new AdytonError('file-corrupt', `${file}: nothing writes its output '${output.slice(0, 128)}'`, {
      advice: 'Export it again.',
    })
  }
  if (end.kind === 'constant') unsupported(file, 'its output does not depend on its input', 'Export another output.')
  if (end.pads !== undefined) unsupported(file, 'it ends in a Pad', 'Leave the last Pad out.')
  if (!inOurOrder(end)) {
    const shape: Shape = dimsOf(end)
    unsupported(
      file,
      `its output [N, ${shape.join(', ')}] is not laid out as [N, channels, ...]`,
      'End in a flat value.',
    )
  }
  return { ...builder.finish(end.id), output: end.ended?.input ?? output }
}
