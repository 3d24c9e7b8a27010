/**
 * Shape inference and validation of a layer graph.
 *
 * {@link inferShapes} is the one gate: a graph that passes has unique ids, reads only earlier nodes, and has a
 * shape for every node within {@link LIMITS}. Everything else in core/network relies on it.
 */
import { AdytonError } from '../errors/errors.ts'
import { convOutput, type ConvGeometry } from '../ring/geometry.ts'
import type { ConvNode, Graph, GraphNode, PoolNode, Shape } from './graph.ts'

/** Bounds on what a graph or a plan may ask for; all inclusive. */
export const LIMITS = {
  nodes: 2000,
  /** Elements of one feature map. */
  elements: 2 ** 24,
  /** Elements of one weight tensor. */
  weights: 2 ** 28,
  channels: 2 ** 20,
  kernel: 256,
  stride: 256,
  padding: 128,
  /** Inputs of a concat. */
  concat: 64,
  idLength: 128,
} as const

/** Product of a shape; 1 for []. */
export function elements(shape: Shape): number {
  let n = 1
  for (const d of shape) n *= d
  return n
}

/** '[64, 32, 32]', for messages. */
export function shapeText(shape: Shape): string {
  return `[${shape.join(', ')}]`
}

/** True when two shapes agree in rank and in every dimension. */
export function sameShape(a: Shape, b: Shape): boolean {
  return a.length === b.length && a.every((d, i) => d === b[i])
}

function invalid(node: GraphNode, what: string, advice?: string): never {
  throw new AdytonError(
    'model-invalid',
    `node '${node.id}' (${node.op}): ${what}`,
    advice === undefined ? {} : { advice },
  )
}

function inRange(node: GraphNode, name: string, value: number, min: number, max: number): void {
  if (!Number.isInteger(value) || value < min || value > max) {
    invalid(node, `${name} must be an integer from ${min} to ${max}, got ${value}`)
  }
}

function featureMap(node: GraphNode, shape: Shape): readonly [number, number, number] {
  if (shape.length !== 3) {
    invalid(node, `expected an input of shape [channels, height, width], got ${shapeText(shape)}`)
  }
  return [shape[0], shape[1], shape[2]]
}

/** Geometry of a convolution node on an input of shape [channels, height, width]. */
export function convGeometry(node: ConvNode, input: Shape): ConvGeometry {
  return {
    inChannels: input[0],
    inHeight: input[1],
    inWidth: input[2],
    outChannels: node.outChannels,
    kernelHeight: node.kernel[0],
    kernelWidth: node.kernel[1],
    stride: node.stride,
    padding: node.padding,
    groups: node.groups,
  }
}

/** A dense layer as a 1x1 convolution over a 1x1 image. */
export function denseGeometry(inFeatures: number, outFeatures: number): ConvGeometry {
  return {
    inChannels: inFeatures,
    inHeight: 1,
    inWidth: 1,
    outChannels: outFeatures,
    kernelHeight: 1,
    kernelWidth: 1,
    stride: 1,
    padding: 0,
    groups: 1,
  }
}

/** Output [height, width] of a pooling window over a map of that size. */
export function poolOutput(
  window: { readonly kernel: readonly [number, number]; readonly stride: number; readonly padding: number },
  height: number,
  width: number,
): { readonly height: number; readonly width: number } {
  return {
    height: Math.floor((height + 2 * window.padding - window.kernel[0]) / window.stride) + 1,
    width: Math.floor((width + 2 * window.padding - window.kernel[1]) / window.stride) + 1,
  }
}

function checkWindow(node: ConvNode | PoolNode): void {
  inRange(node, 'kernel height', node.kernel[0], 1, LIMITS.kernel)
  inRange(node, 'kernel width', node.kernel[1], 1, LIMITS.kernel)
  inRange(node, 'stride', node.stride, 1, LIMITS.stride)
  inRange(node, 'padding', node.padding, 0, LIMITS.padding)
}

function convShape(node: ConvNode, input: Shape): Shape {
  const [channels, height, width] = featureMap(node, input)
  checkWindow(node)
  inRange(node, 'outChannels', node.outChannels, 1, LIMITS.channels)
  inRange(node, 'groups', node.groups, 1, LIMITS.channels)
  if (channels % node.groups !== 0 || node.outChannels % node.groups !== 0) {
    invalid(
      node,
      `groups must divide both channel counts, got ${node.groups} for ${channels} in and ${node.outChannels} out`,
    )
  }
  const weights = (node.outChannels * channels * node.kernel[0] * node.kernel[1]) / node.groups
  if (weights > LIMITS.weights) invalid(node, `expected at most ${LIMITS.weights} weights, got ${weights}`)
  const out = convOutput(convGeometry(node, input))
  if (out.height < 1 || out.width < 1) {
    invalid(
      node,
      `a ${node.kernel[0]}x${node.kernel[1]} kernel does not fit in ${height}x${width} with padding ${node.padding}`,
    )
  }
  return [node.outChannels, out.height, out.width]
}

function poolShape(node: PoolNode, input: Shape): Shape {
  const [channels, height, width] = featureMap(node, input)
  checkWindow(node)
  if (2 * node.padding > Math.min(node.kernel[0], node.kernel[1])) {
    invalid(
      node,
      `padding must be at most half the window, got ${node.padding} for ${node.kernel[0]}x${node.kernel[1]}`,
    )
  }
  const out = poolOutput(node, height, width)
  if (out.height < 1 || out.width < 1) {
    invalid(node, `a ${node.kernel[0]}x${node.kernel[1]} window does not fit in ${height}x${width}`)
  }
  return [channels, out.height, out.width]
}

function concatShape(node: GraphNode, inputs: readonly Shape[]): Shape {
  const first = inputs[0]
  let channels = 0
  for (const shape of inputs) {
    if (!sameShape(shape.slice(1), first.slice(1))) {
      invalid(node, `expected inputs that differ in channels only, got ${inputs.map(shapeText).join(' and ')}`)
    }
    channels += shape[0]
  }
  return [channels, ...first.slice(1)]
}

function denseShape(node: GraphNode & { readonly op: 'dense' }, input: Shape): Shape {
  if (input.length !== 1) {
    invalid(node, `expected an input of shape [features], got ${shapeText(input)}`, 'Put a flatten node before it.')
  }
  inRange(node, 'outFeatures', node.outFeatures, 1, LIMITS.channels)
  if (node.outFeatures * input[0] > LIMITS.weights) {
    invalid(node, `expected at most ${LIMITS.weights} weights, got ${node.outFeatures * input[0]}`)
  }
  return [node.outFeatures]
}

function inputShape(node: GraphNode & { readonly op: 'input' }): Shape {
  if (node.shape.length !== 1 && node.shape.length !== 3) {
    invalid(node, `expected a shape [channels, height, width] or [features], got ${shapeText(node.shape)}`)
  }
  for (const d of node.shape) inRange(node, 'dimension', d, 1, LIMITS.channels)
  return node.shape
}

function outputShape(node: GraphNode, inputs: readonly Shape[]): Shape {
  const input = inputs[0]
  switch (node.op) {
    case 'input':
      return inputShape(node)
    case 'conv2d':
      return convShape(node, input)
    case 'dense':
      return denseShape(node, input)
    case 'batchNorm':
      if (!(node.epsilon >= 0 && node.epsilon <= 1)) invalid(node, `epsilon must be from 0 to 1, got ${node.epsilon}`)
      return input
    case 'relu':
      return input
    case 'add':
      if (!sameShape(inputs[0], inputs[1])) {
        invalid(node, `expected inputs of one shape, got ${shapeText(inputs[0])} and ${shapeText(inputs[1])}`)
      }
      return input
    case 'concat':
      return concatShape(node, inputs)
    case 'averagePool':
    case 'maxPool':
      return poolShape(node, input)
    case 'globalAveragePool':
      return [featureMap(node, input)[0], 1, 1]
    case 'flatten':
      return [elements(input)]
  }
}

function checkArity(node: GraphNode): void {
  const count = node.inputs.length
  const [min, max] =
    node.op === 'input' ? [0, 0] : node.op === 'add' ? [2, 2] : node.op === 'concat' ? [2, LIMITS.concat] : [1, 1]
  if (count < min || count > max) {
    const wanted = min === max ? `${min}` : `${min} to ${max}`
    const advice = node.op === 'add' && count > 2 ? { advice: 'Chain several add nodes of two inputs each.' } : {}
    throw new AdytonError(
      'model-invalid',
      `node '${node.id}' (${node.op}): expected ${wanted} input(s), got ${count}`,
      advice,
    )
  }
}

/**
 * Shape of every node's value, in execution order. Validates the whole graph on the way: unique ids, inputs that
 * exist earlier, arity, one input node which comes first, parameters and sizes in range, stage ids that exist.
 * Throws AdytonError 'model-invalid' naming the node, what was expected and what was found.
 */
export function inferShapes(graph: Graph): ReadonlyMap<string, Shape> {
  if (graph.nodes.length < 2 || graph.nodes.length > LIMITS.nodes) {
    throw new AdytonError(
      'model-invalid',
      `network '${graph.name}': expected 2 to ${LIMITS.nodes} nodes, got ${graph.nodes.length}`,
    )
  }
  const shapes = new Map<string, Shape>()
  for (const [i, node] of graph.nodes.entries()) {
    if (node.id.length < 1 || node.id.length > LIMITS.idLength) {
      throw new AdytonError('model-invalid', `node ${i}: expected an id of 1 to ${LIMITS.idLength} characters`)
    }
    if (shapes.has(node.id)) invalid(node, 'expected a unique id, got one that an earlier node has')
    if ((node.op === 'input') !== (i === 0)) {
      invalid(node, `expected exactly one input node, at position 0, got op '${node.op}' at position ${i}`)
    }
    checkArity(node)
    const inputs = node.inputs.map((id) => {
      const shape = shapes.get(id)
      if (shape === undefined) invalid(node, `expected inputs from earlier nodes, got '${id}'`)
      return shape
    })
    const shape = outputShape(node, inputs)
    if (elements(shape) > LIMITS.elements) {
      invalid(node, `expected at most ${LIMITS.elements} elements, got ${shapeText(shape)}`)
    }
    shapes.set(node.id, shape)
  }
  for (const id of graph.stages ?? []) {
    if (!shapes.has(id)) {
      throw new AdytonError('model-invalid', `network '${graph.name}': stage '${id}' names no node of the graph`)
    }
  }
  return shapes
}
