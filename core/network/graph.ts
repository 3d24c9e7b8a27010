/**
 * The layer graph: a static single-assignment list of nodes in execution order over one image.
 * It is architecture only: weights and masks are named tensors kept apart (safetensors), so that the
 * graph can be public while the weights are not.
 */

/** [channels, height, width] of a feature map, or [features] after flatten or dense. */
export type Shape = readonly number[]

interface NodeBase {
  /** Unique; also the prefix of its tensors: `<id>.weight`, `<id>.bias`, `<id>.gamma`, `<id>.mask`, ... */
  readonly id: string
  /** Ids of the nodes this one reads, in order. */
  readonly inputs: readonly string[]
}

export interface InputNode extends NodeBase {
  readonly op: 'input'
  readonly shape: Shape
}

/** Tensors: `weight` [out][in / groups][kh][kw]; `bias` [out] when `bias` is true. */
export interface ConvNode extends NodeBase {
  readonly op: 'conv2d'
  readonly outChannels: number
  readonly kernel: readonly [number, number]
  readonly stride: number
  readonly padding: number
  readonly groups: number
  readonly bias: boolean
}

/** Tensors: `weight` [out][in], `bias` [out] when `bias` is true. */
export interface DenseNode extends NodeBase {
  readonly op: 'dense'
  readonly outFeatures: number
  readonly bias: boolean
}

/** Tensors: `gamma`, `beta`, `mean`, `variance`, each [channels]. */
export interface BatchNormNode extends NodeBase {
  readonly op: 'batchNorm'
  readonly epsilon: number
}

/**
 * Tensor `mask` when `mask` is not 'none': uint8, 1 keeps the ReLU and 0 makes the position the identity;
 * shape of the feature map for 'element', [channels] for 'channel'.
 */
export interface ReluNode extends NodeBase {
  readonly op: 'relu'
  readonly mask: 'none' | 'element' | 'channel'
}

export interface AddNode extends NodeBase {
  readonly op: 'add'
}

/** Along channels. */
export interface ConcatNode extends NodeBase {
  readonly op: 'concat'
}

/** Padding counts as zeros in the average (count_include_pad), as -infinity in the maximum. */
export interface PoolNode extends NodeBase {
  readonly op: 'averagePool' | 'maxPool'
  readonly kernel: readonly [number, number]
  readonly stride: number
  readonly padding: number
}

/** Mean over height and width; output [channels, 1, 1]. */
export interface GlobalPoolNode extends NodeBase {
  readonly op: 'globalAveragePool'
}

export interface FlattenNode extends NodeBase {
  readonly op: 'flatten'
}

export type GraphNode =
  | InputNode
  | ConvNode
  | DenseNode
  | BatchNormNode
  | ReluNode
  | AddNode
  | ConcatNode
  | PoolNode
  | GlobalPoolNode
  | FlattenNode

/** A network over one image. The last node is the output (logits). */
export interface Graph {
  readonly name: string
  readonly nodes: readonly GraphNode[]
  /** Stage boundaries for reports: node id of the first node of each stage; counts of a stage run to the next. */
  readonly stages?: readonly string[]
}

/** A named tensor; float data for weights, uint8 for masks. */
export interface Tensor {
  readonly shape: readonly number[]
  readonly data: Float32Array | Uint8Array
}

/** Weights and masks by name, `<node id>.<tensor>`. */
export type Tensors = ReadonlyMap<string, Tensor>
