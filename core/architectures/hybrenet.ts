/**
 * HybReNets (Jha and Reagen, "DeepReShape", section 4.1, tables 16 and 17): ResNet-18's blocks with channels m, m α,
 * m α β and m α β γ, chosen so that the stages' ReLUs lie in the order of their criticality. Written
 * `hrn-5x5x3x` (m of 16) or `hrn-2x5x3x-m8`.
 */
import type { Graph, Shape } from '../network/graph.ts'
import { resnet } from './resnet.ts'

/** Those of the paper's tables 16 and 17. */
export const HYBRENETS = [
  'hrn-5x5x3x',
  'hrn-5x7x2x',
  'hrn-6x6x2x',
  'hrn-7x5x2x',
  'hrn-2x5x3x',
  'hrn-2x7x2x',
  'hrn-2x6x2x',
  'hrn-2x5x2x',
] as const

const NAME = /^hrn-([1-9]\d?)x([1-9]\d?)x([1-9]\d?)x(?:-m([1-9]\d{0,2}))?$/
const DEFAULT_WIDTH = 16
/** Wider is no network that anyone runs, and its weights would not fit into memory. */
const MAX_CHANNELS = 8192

/** Channels of the four stages that a name asks for; undefined when it is no HybReNet's. */
export function hybrenetChannels(name: string): readonly number[] | undefined {
  const match = NAME.exec(name)
  if (match === null) return undefined
  const [alpha, beta, gamma] = match.slice(1, 4).map(Number)
  const m = (match[4] as string | undefined) === undefined ? DEFAULT_WIDTH : Number(match[4])
  const channels = [m, m * alpha, m * alpha * beta, m * alpha * beta * gamma]
  return channels.every((count) => count <= MAX_CHANNELS) ? channels : undefined
}

export function hybrenet(options: {
  readonly name: string
  readonly classes: number
  readonly inputShape: Shape
  readonly channels: readonly number[]
}): Graph {
  return resnet({ ...options, blocks: [2, 2, 2, 2] })
}
