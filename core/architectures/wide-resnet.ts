/**
 * Wide residual networks (Zagoruyko, Komodakis 2016): pre-activation blocks, depth 6n + 4, widths 16, 16w, 32w,
 * 64w. WRN-22-8 has n = 3, w = 8. The first block of a stage projects its *activated* input, as theirs does.
 */
import type { Graph, Shape } from '../network/graph.ts'
import { GraphBuilder } from './builder.ts'

export interface WideResNetOptions {
  readonly name: string
  readonly classes: number
  readonly inputShape: Shape
  /** Layers, 6n + 4. */
  readonly depth: number
  /** w: multiple of the narrow widths 16, 32, 64. */
  readonly widen: number
}

export function wideResNet(options: WideResNetOptions): Graph {
  const blocks = (options.depth - 4) / 6
  if (!Number.isInteger(blocks) || blocks < 1) throw new RangeError(`depth must be 6n + 4, got ${options.depth}`)
  const b = new GraphBuilder(options.inputShape)
  b.stage('stem.conv')
  let x = b.conv('stem.conv', 'image', 16)
  let width = 16
  for (let s = 0; s < 3; s++) {
    const channels = 16 * 2 ** s * options.widen
    for (let i = 0; i < blocks; i++) {
      const id = `stage${s + 1}.${i}`
      const stride = s > 0 && i === 0 ? 2 : 1
      const bn = b.batchNorm(`${id}.a.bn`, x)
      if (s > 0 && i === 0) b.stage(bn)
      const active = b.relu(`${id}.a.relu`, bn)
      let y = b.convNorm(`${id}.a`, active, channels, { stride }, `${id}.b.bn`)
      y = b.conv(`${id}.b.conv`, b.relu(`${id}.b.relu`, y), channels)
      const skip =
        width === channels ? x : b.conv(`${id}.skip.conv`, active, channels, { kernel: 1, stride, padding: 0 })
      x = b.add(`${id}.add`, y, skip)
      width = channels
    }
  }
  b.head(b.relu('final.relu', b.batchNorm('final.bn', x)), options.classes)
  return b.build(options.name)
}
