/**
 * The digits network: MiniONN's for MNIST (Liu et al., Oblivious neural network predictions via MiniONN
 * transformations, CCS 2017, figure 12) with its ReLUs and max pools; 10,340 ReLUs.
 */
import type { Graph } from '../../network/graph.ts'

const SIDE = 28
const KERNEL = 5

/** Sizes of the network's parts; the trainer works on these and {@link digitsGraph} states the same as a graph. */
export interface DigitsShape {
  /** Side of the square greyscale image. */
  readonly side: number
  /** Side of the square kernels; no padding, stride 1. */
  readonly kernel: number
  readonly channels: readonly [number, number]
  readonly hidden: number
  readonly classes: number
}

export const DIGITS: DigitsShape = { side: SIDE, kernel: KERNEL, channels: [16, 16], hidden: 100, classes: 10 }

/** Input [1, 28, 28] in 0 (paper) to 1 (ink); output 10 logits. */
export function digitsGraph({ side, kernel, channels, hidden, classes }: DigitsShape = DIGITS): Graph {
  const conv = { op: 'conv2d', kernel: [kernel, kernel], stride: 1, padding: 0, groups: 1, bias: true } as const
  const pool = { op: 'maxPool', kernel: [2, 2], stride: 2, padding: 0 } as const
  return {
    name: 'digits',
    nodes: [
      { id: 'image', inputs: [], op: 'input', shape: [1, side, side] },
      { id: 'conv1', inputs: ['image'], ...conv, outChannels: channels[0] },
      { id: 'relu1', inputs: ['conv1'], op: 'relu', mask: 'none' },
      { id: 'pool1', inputs: ['relu1'], ...pool },
      { id: 'conv2', inputs: ['pool1'], ...conv, outChannels: channels[1] },
      { id: 'relu2', inputs: ['conv2'], op: 'relu', mask: 'none' },
      { id: 'pool2', inputs: ['relu2'], ...pool },
      { id: 'flatten', inputs: ['pool2'], op: 'flatten' },
      { id: 'dense1', inputs: ['flatten'], op: 'dense', outFeatures: hidden, bias: true },
      { id: 'relu3', inputs: ['dense1'], op: 'relu', mask: 'none' },
      { id: 'dense2', inputs: ['relu3'], op: 'dense', outFeatures: classes, bias: true },
    ],
  }
}
