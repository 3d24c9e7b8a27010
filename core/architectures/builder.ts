/** A small builder for layer graphs: each method adds a node after another one and returns its id. */
import type { Graph, GraphNode, Shape } from '../network/graph.ts'
import { inferShapes } from '../network/shapes.ts'

/** Epsilon of every batch norm, as in the reference implementations of these families. */
const EPSILON = 1e-5

export interface ConvOptions {
  readonly kernel?: number
  readonly stride?: number
  /** Defaults to half the kernel, which keeps the size at stride 1. */
  readonly padding?: number
  readonly groups?: number
  readonly bias?: boolean
}

export class GraphBuilder {
  readonly #nodes: GraphNode[]
  readonly #stages: string[] = []

  constructor(inputShape: Shape) {
    this.#nodes = [{ id: 'image', op: 'input', inputs: [], shape: inputShape }]
  }

  #add(node: GraphNode): string {
    this.#nodes.push(node)
    return node.id
  }

  /** That node, added or about to be, begins a stage of the reports. */
  stage(firstNode: string): void {
    this.#stages.push(firstNode)
  }

  conv(id: string, input: string, outChannels: number, options: ConvOptions = {}): string {
    const kernel = options.kernel ?? 3
    return this.#add({
      id,
      op: 'conv2d',
      inputs: [input],
      outChannels,
      kernel: [kernel, kernel],
      stride: options.stride ?? 1,
      padding: options.padding ?? Math.floor(kernel / 2),
      groups: options.groups ?? 1,
      bias: options.bias ?? false,
    })
  }

  batchNorm(id: string, input: string): string {
    return this.#add({ id, op: 'batchNorm', inputs: [input], epsilon: EPSILON })
  }

  relu(id: string, input: string): string {
    return this.#add({ id, op: 'relu', inputs: [input], mask: 'none' })
  }

  add(id: string, a: string, b: string): string {
    return this.#add({ id, op: 'add', inputs: [a, b] })
  }

  maxPool(id: string, input: string, kernel: number, stride = kernel, padding = 0): string {
    return this.#add({ id, op: 'maxPool', inputs: [input], kernel: [kernel, kernel], stride, padding })
  }

  averagePool(id: string, input: string, kernel: number, stride = kernel, padding = 0): string {
    return this.#add({ id, op: 'averagePool', inputs: [input], kernel: [kernel, kernel], stride, padding })
  }

  globalAveragePool(id: string, input: string): string {
    return this.#add({ id, op: 'globalAveragePool', inputs: [input] })
  }

  flatten(id: string, input: string): string {
    return this.#add({ id, op: 'flatten', inputs: [input] })
  }

  dense(id: string, input: string, outFeatures: number, bias = true): string {
    return this.#add({ id, op: 'dense', inputs: [input], outFeatures, bias })
  }

  /** Convolution, batch norm: `<id>.conv`, then `norm`, `<id>.bn` by default. */
  convNorm(id: string, input: string, outChannels: number, options: ConvOptions = {}, norm = `${id}.bn`): string {
    return this.batchNorm(norm, this.conv(`${id}.conv`, input, outChannels, options))
  }

  /** Global average, flatten, dense classifier. */
  head(input: string, classes: number): string {
    return this.dense('fc', this.flatten('flatten', this.globalAveragePool('pool', input)), classes)
  }

  /** The finished graph, validated. */
  build(name: string): Graph {
    const graph: Graph = { name, nodes: this.#nodes, stages: this.#stages }
    inferShapes(graph)
    return graph
  }
}
