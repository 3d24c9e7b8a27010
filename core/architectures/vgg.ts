/**
 * VGG-16 for small images with batch norm (Simonyan, Zisserman 2015): thirteen 3x3 convolutions, five max-pools,
 * two hidden layers of 4,096, which is the form whose 285K ReLUs and 333M MACs the private-inference papers quote.
 */
import type { Graph, Shape } from '../network/graph.ts'
import { GraphBuilder } from './builder.ts'

const STAGES = [
  [64, 64],
  [128, 128],
  [256, 256, 256],
  [512, 512, 512],
  [512, 512, 512],
]
const HIDDEN = 4096

export function vgg16(options: { readonly name: string; readonly classes: number; readonly inputShape: Shape }): Graph {
  const b = new GraphBuilder(options.inputShape)
  let x = 'image'
  STAGES.forEach((stage, s) => {
    b.stage(`stage${s + 1}.0.conv`)
    stage.forEach((channels, i) => {
      x = b.relu(`stage${s + 1}.${i}.relu`, b.convNorm(`stage${s + 1}.${i}`, x, channels))
    })
    x = b.maxPool(`stage${s + 1}.pool`, x, 2)
  })
  b.stage('flatten')
  x = b.flatten('flatten', x)
  x = b.relu('fc1.relu', b.dense('fc1', x, HIDDEN))
  x = b.relu('fc2.relu', b.dense('fc2', x, HIDDEN))
  b.dense('fc', x, options.classes)
  return b.build(options.name)
}
