/** The architectures by name. */
import { AdytonError } from '../errors/errors.ts'
import type { Graph, Shape } from '../network/graph.ts'
import { hybrenet, HYBRENETS, hybrenetChannels } from './hybrenet.ts'
import { resnet } from './resnet.ts'
import { lenetTiny, minionnMnist } from './small.ts'
import { vgg16 } from './vgg.ts'
import { wideResNet } from './wide-resnet.ts'

export interface ArchitectureOptions {
  /** Number of outputs, 2 or more. */
  readonly classes: number
  /** [channels, height, width]; the family's usual one by default. */
  readonly inputShape?: Shape
  /** Instead of `inputShape`: height and width in pixels, with the family's usual channels. */
  readonly size?: number
}

type Build = (options: { readonly name: string; readonly classes: number; readonly inputShape: Shape }) => Graph

interface Entry {
  readonly inputShape: Shape
  readonly build: Build
}

const CIFAR: Shape = [3, 32, 32]
const MNIST: Shape = [1, 28, 28]

const residual = (channels: readonly number[], blocks: readonly number[]): Entry => ({
  inputShape: CIFAR,
  build: (options) => resnet({ ...options, channels, blocks }),
})
const wide = (depth: number, widen: number): Entry => ({
  inputShape: CIFAR,
  build: (options) => wideResNet({ ...options, depth, widen }),
})

const ENTRIES = new Map<string, Entry>([
  ['resnet18', residual([64, 128, 256, 512], [2, 2, 2, 2])],
  ['resnet34', residual([64, 128, 256, 512], [3, 4, 6, 3])],
  // For demonstrations and comparisons: one block a stage, under 20 million multiply-accumulates.
  ['resnet8-w10', residual([10, 20, 40], [1, 1, 1])],
  ['resnet8-w20', residual([20, 40, 80], [1, 1, 1])],
  ['resnet20', residual([16, 32, 64], [3, 3, 3])],
  ['resnet32', residual([16, 32, 64], [5, 5, 5])],
  ['resnet56', residual([16, 32, 64], [9, 9, 9])],
  ['wrn22x8', wide(22, 8)],
  ['wrn16x8', wide(16, 8)],
  ['vgg16', { inputShape: CIFAR, build: vgg16 }],
  ['minionn-mnist', { inputShape: MNIST, build: minionnMnist }],
  ['lenet-tiny', { inputShape: MNIST, build: lenetTiny }],
])

/** Names that {@link architecture} takes; HybReNets may be of other widths and factors too (`hrn-2x5x3x-m8`). */
export const ARCHITECTURES: readonly string[] = [...ENTRIES.keys(), ...HYBRENETS]

function hybrenetEntry(name: string): Entry | undefined {
  const channels = hybrenetChannels(name)
  if (channels === undefined) return undefined
  return { inputShape: CIFAR, build: (options) => hybrenet({ ...options, channels }) }
}

/** The graph of a named architecture. Throws AdytonError 'model-not-found' for a name it does not know. */
export function architecture(name: string, options: ArchitectureOptions): Graph {
  const entry = ENTRIES.get(name) ?? hybrenetEntry(name)
  if (entry === undefined) {
    throw new AdytonError('model-not-found', `no architecture is called '${name}'`, {
      advice: `Known architectures: ${ARCHITECTURES.join(', ')}; of HybReNets also other factors and widths, as hrn-2x5x3x-m8.`,
    })
  }
  const { classes, size } = options
  if (!Number.isInteger(classes) || classes < 2) throw new RangeError(`classes must be 2 or more, got ${classes}`)
  const square: Shape | undefined = size === undefined ? undefined : [entry.inputShape[0], size, size]
  return entry.build({ name, classes, inputShape: options.inputShape ?? square ?? entry.inputShape })
}
