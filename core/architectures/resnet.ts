/**
 * Residual networks for small images (He et al. 2016): a 3x3 stem and no max-pool. ResNet-18 and -34 keep four
 * stages of 64 to 512 channels; ResNet-20, -32 and -56 are the three-stage CIFAR family of 16 to 64 channels.
 */
import type { Graph, Shape } from '../network/graph.ts'
import { GraphBuilder } from './builder.ts'

export interface ResNetOptions {
  readonly name: string
  readonly classes: number
  readonly inputShape: Shape
  /** Channels of each stage. */
  readonly channels: readonly number[]
  /** Blocks of each stage. */
  readonly blocks: readonly number[]
  /** Channels of the stem; the first stage's by default. */
  readonly stem?: number
  /** False leaves out the ReLU after the stem (as Selective Network Linearization does). */
  readonly stemRelu?: boolean
}

/** Basic blocks with 1x1 projection shortcuts wherever size or channels change. */
export function resnet(options: ResNetOptions): Graph {
  const b = new GraphBuilder(options.inputShape)
  b.stage('stem.conv')
  const stem = options.stem ?? options.channels[0]
  let x = b.convNorm('stem', 'image', stem)
  if (options.stemRelu !== false) x = b.relu('stem.relu', x)
  let width = stem
  options.channels.forEach((channels, s) => {
    for (let i = 0; i < options.blocks[s]; i++) {
      const id = `stage${s + 1}.${i}`
      const stride = s > 0 && i === 0 ? 2 : 1
      if (s > 0 && i === 0) b.stage(`${id}.a.conv`)
      let y = b.relu(`${id}.a.relu`, b.convNorm(`${id}.a`, x, channels, { stride }))
      y = b.convNorm(`${id}.b`, y, channels)
      const skip =
        stride === 1 && width === channels
          ? x
          : b.convNorm(`${id}.skip`, x, channels, { kernel: 1, stride, padding: 0 })
      x = b.relu(`${id}.relu`, b.add(`${id}.add`, y, skip))
      width = channels
    }
  })
  b.head(x, options.classes)
  return b.build(options.name)
}
