/**
 * Between the layouts of core/network (channels first) and those of tf.js (channels last). Pure index moves: a tensor
 * that goes there and back has the same bits.
 */
import type { GraphNode, Shape } from '../../network/graph.ts'
import type { TensorSpec } from '../../network/tensors.ts'

/** `data` of `shape` with its axes in the order `axes`, as in a transpose: out axis i is axis axes[i] of the input. */
export function permute(data: ArrayLike<number>, shape: Shape, axes: readonly number[]): Float32Array {
  const strides = shape.map((_, axis) => shape.slice(axis + 1).reduce((a, b) => a * b, 1))
  const outShape = axes.map((axis) => shape[axis])
  const outStrides = axes.map((axis) => strides[axis])
  const out = new Float32Array(data.length)
  const index = new Array<number>(axes.length).fill(0)
  let from = 0
  for (let to = 0; to < out.length; to++) {
    out[to] = data[from]
    for (let axis = axes.length - 1; axis >= 0; axis--) {
      from += outStrides[axis]
      if (++index[axis] < outShape[axis]) break
      from -= outStrides[axis] * outShape[axis]
      index[axis] = 0
    }
  }
  return out
}

/** How one tensor lies in tf.js. */
export interface Layout {
  /** In tf.js; unit axes beyond `moved` let slopes broadcast. */
  readonly shape: readonly number[]
  /** In core/network. */
  readonly network: Shape
  /** Axes of the way there and of the way back. */
  readonly there: readonly number[]
  readonly back: readonly number[]
}

function moved(network: Shape, there: readonly number[], leading: readonly number[] = []): Layout {
  return {
    shape: [...leading, ...there.map((axis) => network[axis])],
    network,
    there,
    back: there.map((_, axis) => there.indexOf(axis)),
  }
}

const unmoved = (shape: Shape, leading: readonly number[] = []): Layout =>
  moved(
    shape,
    shape.map((_, axis) => axis),
    leading,
  )

/** Weights of convolutions as [kh][kw][in / groups][out], of dense layers as [in][out]; vectors as they are. */
export function weightLayout(node: GraphNode, { kind, shape }: Pick<TensorSpec, 'kind' | 'shape'>): Layout {
  if (kind === 'weight' && node.op === 'conv2d') return moved(shape, [2, 3, 1, 0])
  if (kind === 'weight' && node.op === 'dense') return moved(shape, [1, 0])
  return unmoved(shape)
}

/** Slopes as [1][h][w][c], or [1][1][1][c] where one serves a channel or the value is a vector. */
export function slopeLayout(kind: 'element' | 'channel', shape: Shape): Layout {
  if (kind === 'element' && shape.length === 3) return moved(shape, [1, 2, 0], [1])
  return unmoved([shape[0]], [1, 1, 1])
}

/** A network tensor's numbers in tf.js order; masks become floats. */
export const toTf = (data: ArrayLike<number>, layout: Layout): Float32Array =>
  permute(data, layout.network, layout.there)

/** The way back. */
export const fromTf = (data: ArrayLike<number>, { network, there, back }: Layout): Float32Array =>
  permute(
    data,
    there.map((axis) => network[axis]),
    back,
  )

/** Images [n][c][h][w] as [n][h][w][c]; [n][features] stays. */
export const imagesToTf = (images: Float32Array, count: number, shape: Shape): Float32Array =>
  shape.length === 3 ? permute(images, [count, ...shape], [0, 2, 3, 1]) : images
