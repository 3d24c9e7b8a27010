/** Fresh weights by seed. */
import { Draws, type Seed } from '../../datasets/random.ts'
import type { Graph, Tensor } from '../../network/graph.ts'
import { elements } from '../../network/shapes.ts'
import { tensorSpecs } from '../../network/tensors.ts'

/**
 * He-normal convolutions and dense layers (He et al. 2015, "Delving deep into rectifiers": variance 2 / fan-in), but
 * variance 1 / fan-in for the last layer, which no ReLU follows; batch norms the identity, biases 0, masks 1. Each
 * tensor has its own stream by name: adding a layer does not change the others.
 */
export function initialTensors(graph: Graph, seed: Seed): Map<string, Tensor> {
  const last = graph.nodes[graph.nodes.length - 1].id
  const tensors = new Map<string, Tensor>()
  for (const { name, kind, shape } of tensorSpecs(graph)) {
    const count = elements(shape)
    if (kind === 'mask') {
      tensors.set(name, { shape, data: new Uint8Array(count).fill(1) })
      continue
    }
    const data = new Float32Array(count)
    if (kind === 'weight') {
      const gain = name === `${last}.weight` ? 1 : 2
      const deviation = Math.sqrt(gain / (count / shape[0]))
      const draws = new Draws(seed, `initial ${name}`)
      for (let i = 0; i < count; i++) data[i] = deviation * draws.normal()
    } else if (kind === 'gamma' || kind === 'variance') data.fill(1)
    tensors.set(name, { shape, data })
  }
  return tensors
}
