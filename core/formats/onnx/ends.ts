/** The input and the output of an ONNX graph: one of each, of float32 and of a fixed size but for the batch. */
import { AdytonError } from '../../errors/errors.ts'
import type { Shape } from '../../network/graph.ts'
import { elements, LIMITS } from '../../network/shapes.ts'
import { DATA_TYPE, type OnnxDimension, type OnnxGraph, type OnnxNode } from './proto.ts'
import { typeName } from './tensors.ts'
import { standardGroups, type Activation, type Value } from './values.ts'

export interface NetworkInput {
  readonly name: string
  /** Images in a batch; 1 where the file leaves it open. */
  readonly batch: number
  /** After the batch, as in the file. */
  readonly dims: readonly number[]
  /** Ours, and how the file's axes run over it. */
  readonly shape: Shape
  readonly groups: Activation['groups']
}

/** What the nodes at the start do with the input. */
export interface Surroundings {
  readonly readers: ReadonlyMap<string, readonly OnnxNode[]>
  readonly lookup: (name: string) => Value | undefined
}

function unsupported(file: string, text: string, advice: string): never {
  throw new AdytonError('file-unsupported', `${file}: ${text}`, { advice })
}

const listed = (names: readonly string[]): string =>
  names
    .slice(0, 8)
    .map((name) => `'${name.slice(0, 64)}'`)
    .join(', ')

/** Name of the one output. */
export function outputOf(graph: OnnxGraph, file: string): string {
  const names = graph.output.map((value) => value.name ?? '')
  if (names.length === 1) return names[0]
  return unsupported(
    file,
    names.length === 0 ? 'has no output' : `has ${names.length} outputs: ${listed(names)}`,
    'Export the network with one output, its scores.',
  )
}

function sizeOf(dim: OnnxDimension, file: string, name: string): number {
  const size = dim.dimValue ?? 0
  if (Number.isSafeInteger(size) && size >= 1 && size <= LIMITS.elements) return size
  const given = dim.dimValue === undefined ? `'${(dim.dimParam ?? '').slice(0, 64)}'` : String(size)
  return unsupported(
    file,
    `its input '${name.slice(0, 128)}' has a size that is not fixed: ${given}`,
    'Export it with a fixed height and width; only the batch may be left open.',
  )
}

/** The one input that no initialiser gives a value to. */
export function inputOf(graph: OnnxGraph, file: string, around: Surroundings): NetworkInput {
  const initialised = new Set(graph.initializer.map((tensor) => tensor.name ?? ''))
  const inputs = graph.input.filter((value) => !initialised.has(value.name ?? ''))
  if (inputs.length !== 1) {
    const names = listed(inputs.map((value) => value.name ?? ''))
    const found = inputs.length === 0 ? 'has no input' : `has ${inputs.length} inputs: ${names}`
    unsupported(file, found, 'Export the network with one input, the picture.')
  }
  const [{ name = '', type }] = inputs
  const elemType = type?.tensorType?.elemType
  if (elemType !== DATA_TYPE.float) {
    unsupported(file, `its input is of type ${typeName(elemType)}`, 'Export the model in float32.')
  }
  const dim = type?.tensorType?.shape?.dim
  if (dim === undefined || dim.length < 2 || dim.length > 4) {
    const found = dim === undefined ? 'no shape' : `${dim.length} axes`
    unsupported(
      file,
      `its input has ${found}`,
      'Export it with an input [N, channels, height, width] or [N, features].',
    )
  }
  const open = (dim[0].dimValue ?? 0) <= 0
  const batch = open ? 1 : sizeOf(dim[0], file, name)
  const dims = dim.slice(1).map((d) => sizeOf(d, file, name))
  if (elements(dims) * batch > LIMITS.elements) {
    unsupported(file, `its input has ${elements(dims) * batch} elements`, `At most ${LIMITS.elements} are possible.`)
  }
  return { name, batch, dims, ...layoutOf(name, dims, around) }
}

/** Our shape of the input: channels first, by what the file does with it. */
function layoutOf(name: string, dims: readonly number[], around: Surroundings): Pick<NetworkInput, 'shape' | 'groups'> {
  if (dims.length === 2) return { shape: [1, ...dims], groups: standardGroups([1, ...dims]).slice(1) }
  const readers = firstReaders(name, around)
  const [height, width, channels] = dims
  const last = { shape: [channels, height, width], groups: [[1], [2], [0]] }
  const reorders = (node: OnnxNode): boolean =>
    node.opType === 'Transpose' && node.attribute.find((a) => a.name === 'perm')?.ints.join() === '0,3,1,2'
  if (dims.length === 3 && readers.length > 0 && readers.every(reorders)) {
    return { shape: last.shape, groups: last.groups.map((group) => group.filter((axis) => last.shape[axis] > 1)) }
  }
  const shape = picture(readers, around)
  if (shape !== undefined && elements(shape) === elements(dims)) {
    // A flat input, or one channel in last place, that a Reshape makes a picture of.
    if (dims.length === 1) return { shape, groups: [standardGroups(shape).flat()] }
    if (channels === 1 && shape[0] === 1 && shape[1] === height && shape[2] === width) {
      const [, rows, columns] = standardGroups(shape)
      return { shape, groups: [rows, columns, []] }
    }
  }
  return { shape: dims, groups: standardGroups(dims) }
}

/** These leave the axes as they are. */
const SAME_AXES = new Set(['Identity', 'Cast', 'Pad', 'Add', 'Sub', 'Mul', 'Div', 'Relu', 'Dropout'])

/** The nodes that read the input, or that read it after nodes that keep its axes. */
function firstReaders(name: string, { readers }: Surroundings): readonly OnnxNode[] {
  const seen = new Set<OnnxNode>()
  const open = [name]
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    for (const node of readers.get(next) ?? []) {
      if (!seen.has(node) && SAME_AXES.has(node.opType ?? '')) open.push(node.output[0] ?? '')
      seen.add(node)
    }
  }
  return [...seen].filter((node) => !SAME_AXES.has(node.opType ?? ''))
}

/** [channels, height, width] to which all that read the input reshape it. */
function picture(readers: readonly OnnxNode[], { lookup }: Surroundings): Shape | undefined {
  const shapes = readers.map((node) => {
    const value = node.opType === 'Reshape' ? lookup(node.input[1] ?? '') : undefined
    return value?.kind === 'constant' && value.data.length === 4 ? [...value.data].slice(1) : undefined
  })
  const [first] = shapes
  const whole = first?.every((size) => Number.isInteger(size) && size >= 1) === true
  return whole && shapes.every((shape) => shape?.join() === first.join()) ? first : undefined
}
