/**
 * A network that can be trained: a layer graph of core/network with its tensors as tf.js variables, and ReLUs with the
 * slopes of SNL (Cho et al. 2022, equations 2 and 6). In evaluation mode it computes what core/network/float.ts does.
 *
 *   const model = TrainableModel.create(engine, graph, { init: 1 }, { slopes: 'element' })
 *   const { logits } = model.forward(images, { training: true })    // inside tf.tidy
 *   const { graph, tensors } = await model.exportModel()
 */
import type { Tensor as TfTensor, Tensor2D } from '@tensorflow/tfjs-core'
import type { Seed } from '../../datasets/random.ts'
import { AdytonError } from '../../errors/errors.ts'
import type { Graph, GraphNode, Shape, Tensor, Tensors } from '../../network/graph.ts'
import { elements, inferShapes } from '../../network/shapes.ts'
import { checkTensors } from '../../network/tensors.ts'
import type { Engine } from '../engine/types.ts'
import { exportMask } from './masks.ts'
import { initialTensors } from './initial.ts'
import { fromTf, toTf } from './layout.ts'
import { nodeStep, type Step } from './operations.ts'
import { isStatistic, type Parameter } from './parameter.ts'
import { makeParameters, type MutableParameter } from './parameters.ts'

export type { Parameter, ParameterKind } from './parameter.ts'

/** What a model needs of an engine; its description is for checkpoints. */
export type TensorEngine = Pick<Engine, 'tf' | 'ops'> & Partial<Pick<Engine, 'description'>>

export interface ModelOptions {
  /**
   * 'none' (the default): ReLUs as the graph has them, its masks as slopes that stay. 'element' or 'channel': every
   * ReLU has a trainable slope for each element or channel, from its mask, else 1; what a mask has removed stays
   * removed (those slopes get no gradient).
   */
  readonly slopes?: 'none' | 'element' | 'channel'
  /** What a slope of 0 leaves: the value itself (SNL) or 0 (the variant of appendix B.2, which is not exported). */
  readonly removed?: 'identity' | 'zero'
  /** Weight of the newest batch in the running statistics of batch norms; 0.1 unless given. */
  readonly statisticsMomentum?: number
}

export interface ForwardOptions {
  /** Batch statistics in batch norms, which also moves the running ones; false unless given. */
  readonly training?: boolean
  /** Nodes whose values are wanted, 'all' or by id. */
  readonly values?: 'all' | Iterable<string>
}

export interface Forward {
  /** [n, classes]: the value of the last node. */
  readonly logits: Tensor2D
  /** [n, h, w, channels] or [n, features] by node id; only those asked for. */
  readonly values: ReadonlyMap<string, TfTensor>
}

export interface ReluCount {
  /** ReLUs kept for one image. */
  readonly kept: number
  /** ReLUs of the graph without any mask. */
  readonly total: number
  readonly nodes: readonly { readonly id: string; readonly kept: number; readonly total: number }[]
}

export class TrainableModel {
  readonly engine: TensorEngine
  readonly graph: Graph
  /** Shape of every node's value, as core/network has it. */
  readonly shapes: ReadonlyMap<string, Shape>
  readonly options: Required<ModelOptions>
  readonly #parameters: readonly MutableParameter[]
  readonly #byName: ReadonlyMap<string, MutableParameter>
  /** 0 where a slope must stay at 0, for nodes that have such. */
  readonly #supports: ReadonlyMap<string, TfTensor>
  readonly #steps: readonly Step[]
  readonly #lastUse = new Map<string, number>()

  /**
   * @param source tensors that fit the graph, or the seed of fresh ones (initial.ts)
   * @throws AdytonError 'model-invalid' when graph and tensors do not fit, or a mask by element meets slopes by channel
   */
  static create(
    engine: TensorEngine,
    graph: Graph,
    source: Tensors | { readonly init: Seed },
    options: ModelOptions = {},
  ): TrainableModel {
    const tensors = 'init' in source ? initialTensors(graph, source.init) : source
    checkTensors(graph, tensors)
    return new TrainableModel(engine, graph, tensors, options)
  }

  private constructor(engine: TensorEngine, graph: Graph, tensors: Tensors, options: ModelOptions) {
    this.engine = engine
    this.graph = graph
    this.shapes = inferShapes(graph)
    this.options = { slopes: 'none', removed: 'identity', statisticsMomentum: 0.1, ...options }
    const { parameters, supports } = makeParameters(engine.tf, graph, this.shapes, tensors, this.options.slopes)
    this.#parameters = parameters
    this.#supports = supports
    this.#byName = new Map(parameters.map((parameter) => [parameter.name, parameter]))
    const context = {
      engine,
      removed: this.options.removed,
      momentum: this.options.statisticsMomentum,
      variable: (name: string) => this.#byName.get(name)?.variable,
      support: (id: string) => this.#supports.get(id),
    }
    this.#steps = graph.nodes.map((node) => nodeStep(context, node, this.#shape(node)))
    graph.nodes.forEach((node, i) => node.inputs.forEach((id) => this.#lastUse.set(id, i)))
  }

  #shape(node: GraphNode): Shape {
    return this.shapes.get(node.id) as Shape
  }

  /** [channels, height, width] or [features]. */
  get inputShape(): Shape {
    return this.#shape(this.graph.nodes[0])
  }

  get classes(): number {
    return elements(this.#shape(this.graph.nodes[this.graph.nodes.length - 1]))
  }

  /** Every variable, in node order. */
  get parameters(): readonly Parameter[] {
    return this.#parameters
  }

  /** Those that the optimiser moves now. */
  trainable(): Parameter[] {
    return this.#parameters.filter(({ trainable }) => trainable)
  }

  /** Freezes (false) or frees the parameters that `which` picks; running statistics are never trained. */
  setTrainable(which: (parameter: Parameter) => boolean, trainable: boolean): void {
    for (const parameter of this.#parameters) {
      if (!isStatistic(parameter.kind) && which(parameter)) parameter.trainable = trainable
    }
  }

  /** Slopes by ReLU node id, in node order; nodes without slopes or mask are left out. */
  slopes(): ReadonlyMap<string, Parameter> {
    return new Map(this.#parameters.filter(({ kind }) => kind === 'slope').map((p) => [p.nodeId, p]))
  }

  /** Slopes of a node in the order of core/network: [c][h][w], [c] or [features]. */
  async readSlopes(): Promise<Map<string, Float32Array>> {
    const out = new Map<string, Float32Array>()
    for (const [id, { variable, layout }] of this.slopes()) out.set(id, fromTf(await variable.data(), layout))
    return out
  }

  /** Sets the slopes of a node, in that order. Throws RangeError for a node without slopes or another length. */
  setSlopes(nodeId: string, values: ArrayLike<number>): void {
    const parameter = this.#byName.get(`${nodeId}.slope`)
    if (parameter === undefined) throw new RangeError(`node '${nodeId}' has no slopes`)
    this.#assign(parameter, values)
  }

  /**
   * Runs a batch: `images` [n, h, w, channels] (or [n, features]). To be called inside tf.tidy or a gradient: the
   * results belong to that scope. With `training`, running statistics move.
   */
  forward(images: TfTensor, options: ForwardOptions = {}): Forward {
    const { training = false, values: wanted = [] } = options
    const asked = wanted === 'all' ? undefined : new Set(wanted)
    const alive = new Map<string, TfTensor>()
    const kept = new Map<string, TfTensor>()
    const { nodes } = this.graph
    nodes.forEach((node, i) => {
      const inputs = node.op === 'input' ? [images] : node.inputs.map((id) => alive.get(id) as TfTensor)
      const value = this.#steps[i](inputs, training)
      alive.set(node.id, value)
      if (asked === undefined || asked.has(node.id)) kept.set(node.id, value)
      for (const id of node.inputs) {
        // Freed early: a tidy would hold every feature map until the end. The tape has its own handles.
        if (this.#lastUse.get(id) === i && id !== nodes[0].id && !kept.has(id)) {
          alive.get(id)?.dispose()
          alive.delete(id)
        }
      }
    })
    const last = alive.get(nodes[nodes.length - 1].id) as TfTensor
    return {
      logits: last.rank === 2 ? (last as Tensor2D) : this.engine.tf.reshape(last, [-1, this.classes]),
      values: kept,
    }
  }

  /** ReLUs that a slope above `epsilon` keeps (SNL algorithm 1, line 6), where there are slopes; all elsewhere. */
  async countRelus(epsilon = 0): Promise<ReluCount> {
    const { tf } = this.engine
    const slopes = this.slopes()
    const nodes: { id: string; kept: number; total: number }[] = []
    for (const node of this.graph.nodes) {
      if (node.op !== 'relu') continue
      const total = elements(this.#shape(node))
      const variable = slopes.get(node.id)?.variable
      let kept = total
      if (variable !== undefined) {
        const count = tf.tidy(() => tf.sum(tf.cast(tf.greater(variable, epsilon), 'float32')))
        kept = ((await count.data())[0] * total) / variable.size
        count.dispose()
      }
      nodes.push({ id: node.id, kept, total })
    }
    const sum = (key: 'kept' | 'total'): number => nodes.reduce((all, node) => all + node[key], 0)
    return { kept: sum('kept'), total: sum('total'), nodes }
  }

  /** Every variable by name, in the order of core/network; slopes as `<id>.slope`. For {@link restore}. */
  async state(): Promise<Map<string, Tensor>> {
    const out = new Map<string, Tensor>()
    for (const { name, variable, layout } of this.#parameters) {
      out.set(name, { shape: layout.network, data: fromTf(await variable.data(), layout) })
    }
    return out
  }

  /** Takes every variable from such a map, to the bit. Throws AdytonError 'checkpoint-mismatch' when one is missing. */
  restore(state: Tensors): void {
    for (const { name, layout } of this.#parameters) {
      const found = state.get(name)
      if (found?.data.length !== elements(layout.network)) {
        throw new AdytonError(
          'checkpoint-mismatch',
          `'${name}' is missing, or is not of shape [${layout.network.join(', ')}]`,
        )
      }
    }
    for (const parameter of this.#parameters) this.#assign(parameter, (state.get(parameter.name) as Tensor).data)
  }

  /**
   * The network for core/network: weights to the bit, and slopes as masks where slopes are above `threshold`. Without
   * a threshold they must be 0 and 1. A ReLU whose slopes are all 1 has a mask of ones.
   * @throws RangeError for slopes between 0 and 1, or with `removed: 'zero'` when a slope is 0
   */
  async exportModel(
    options: { readonly threshold?: number } = {},
  ): Promise<{ graph: Graph; tensors: Map<string, Tensor> }> {
    const tensors = new Map<string, Tensor>()
    const masks = new Map<string, 'element' | 'channel'>()
    for (const { name, nodeId, kind, variable, layout } of this.#parameters) {
      const data = fromTf(await variable.data(), layout)
      if (kind !== 'slope') {
        tensors.set(name, { shape: layout.network, data })
        continue
      }
      tensors.set(`${nodeId}.mask`, exportMask(nodeId, data, layout.network, this.options.removed, options.threshold))
      const shape = this.shapes.get(nodeId) as Shape
      masks.set(nodeId, layout.network.length === shape.length ? 'element' : 'channel')
    }
    const nodes = this.graph.nodes.map((node) =>
      node.op === 'relu' ? { ...node, mask: masks.get(node.id) ?? ('none' as const) } : node,
    )
    return { graph: { ...this.graph, nodes }, tensors }
  }

  #assign({ name, variable, layout }: Parameter, values: ArrayLike<number>): void {
    if (values.length !== variable.size) {
      throw new RangeError(`'${name}' has ${variable.size} elements, got ${values.length}`)
    }
    const { tf } = this.engine
    tf.tidy(() => variable.assign(tf.tensor(toTf(values, layout), [...layout.shape])))
  }

  /** Frees the variables. */
  dispose(): void {
    for (const { variable } of this.#parameters) variable.dispose()
    for (const support of this.#supports.values()) support.dispose()
  }
}
