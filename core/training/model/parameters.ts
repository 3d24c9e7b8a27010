/** Makes the variables of a graph from its tensors. */
import type { Tensor as TfTensor } from '@tensorflow/tfjs-core'
import { AdytonError } from '../../errors/errors.ts'
import type { Graph, GraphNode, ReluNode, Shape, Tensors } from '../../network/graph.ts'
import { elements } from '../../network/shapes.ts'
import { floats, tensorSpecs } from '../../network/tensors.ts'
import type { TensorFlow } from '../engine/types.ts'
import { slopeLayout, toTf, weightLayout, type Layout } from './layout.ts'
import { isStatistic, type Parameter } from './parameter.ts'

export type MutableParameter = { -readonly [K in keyof Parameter]: Parameter[K] }

/** One slope an element or a channel: from the mask, repeated over a channel where the mask is coarser; else 1. */
function initialSlopes(node: ReluNode, shape: Shape, kind: 'element' | 'channel', tensors: Tensors): Float32Array {
  const count = kind === 'element' ? elements(shape) : shape[0]
  const out = new Float32Array(count).fill(1)
  if (node.mask === 'none') return out
  const mask = tensors.get(`${node.id}.mask`)?.data ?? []
  if (mask.length > count) {
    throw new AdytonError(
      'model-invalid',
      `node '${node.id}' has a mask by element, which slopes by channel cannot hold`,
      {
        advice: 'Train with slopes by element.',
      },
    )
  }
  const run = count / mask.length
  return out.map((_, i) => mask[Math.floor(i / run)])
}

export function makeParameters(
  tf: TensorFlow,
  graph: Graph,
  shapes: ReadonlyMap<string, Shape>,
  tensors: Tensors,
  slopes: 'none' | 'element' | 'channel',
): { readonly parameters: MutableParameter[]; readonly supports: Map<string, TfTensor> } {
  const parameters: MutableParameter[] = []
  const supports = new Map<string, TfTensor>()
  const specs = new Map<string, ReturnType<typeof tensorSpecs>>()
  for (const spec of tensorSpecs(graph)) {
    const id = spec.name.slice(0, spec.name.lastIndexOf('.'))
    const list = specs.get(id)
    if (list === undefined) specs.set(id, [spec])
    else list.push(spec)
  }
  const add = (
    node: GraphNode,
    kind: Parameter['kind'],
    layout: Layout,
    data: ArrayLike<number>,
    free: boolean,
  ): void => {
    const initial = tf.tensor(toTf(data, layout), [...layout.shape])
    // Outside any tidy of the caller's: variables live until dispose().
    const variable = tf.variable(initial, true)
    initial.dispose()
    parameters.push({ name: `${node.id}.${kind}`, nodeId: node.id, kind, variable, layout, trainable: free })
  }
  for (const node of graph.nodes) {
    if (node.op === 'relu') {
      const kind = slopes !== 'none' ? slopes : node.mask
      if (kind === 'none') continue
      const shape = shapes.get(node.id) as Shape
      const data = initialSlopes(node, shape, kind, tensors)
      const layout = slopeLayout(kind, shape)
      add(node, 'slope', layout, data, slopes !== 'none')
      if (slopes !== 'none' && data.includes(0)) {
        supports.set(node.id, tf.keep(tf.tensor(toTf(data, layout), [...layout.shape])))
      }
      continue
    }
    for (const { name, kind, shape } of specs.get(node.id) ?? []) {
      if (kind === 'mask') continue
      add(node, kind, weightLayout(node, { kind, shape }), floats(tensors, name), !isStatistic(kind))
    }
  }
  return { parameters, supports }
}
