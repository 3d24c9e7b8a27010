/**
 * How far an imported network is from its file: both run in the clear on the same images, ours by core/network/float.ts,
 * the file's by a program that is not ours.
 */
import { randomFillSync } from 'node:crypto'
import { AdytonError } from '../../errors/errors.ts'
import { floatRunner } from '../../network/float.ts'
import type { Graph, Shape, Tensors } from '../../network/graph.ts'
import { elements } from '../../network/shapes.ts'
import type { ReferenceRunner } from './format.ts'

export interface Comparison {
  /** What ours was compared with: 'onnxruntime-node 1.30.0'. */
  readonly against: string
  /** How many images both ran. */
  readonly images: number
  /** Largest absolute difference of a logit over all images. */
  readonly largestDifference: number
  /** Largest magnitude of a logit of the reference, which the difference is to be seen against. */
  readonly largestLogit: number
}

/** A picture normalised by mean and standard deviation of its data set stays within this many deviations of 0. */
const NORMALISED_RANGE = 2.5

/** `count` images of a shape, uniform from -2.5 to 2.5: about the range of a normalised picture. */
export function randomImages(shape: Shape, count: number): Float32Array[] {
  return Array.from({ length: count }, () => {
    const words = randomFillSync(new Uint32Array(elements(shape)))
    return Float32Array.from(words, (word) => (word / 0xffffffff) * 2 * NORMALISED_RANGE - NORMALISED_RANGE)
  })
}

function largest(values: Float32Array, who: string, image: number): number {
  let most = 0
  for (const value of values) {
    if (!Number.isFinite(value)) {
      throw new AdytonError('model-invalid', `image ${image}: ${who} gives the logit ${value}`, {
        advice: 'The network overflows on ordinary pictures: check its weights.',
      })
    }
    most = Math.max(most, Math.abs(value))
  }
  return most
}

/**
 * Runs `images`, at least one, through the network and through the reference. Throws AdytonError 'model-invalid' when
 * they give different numbers of logits, or logits that are not finite.
 */
export async function compareWithReference(
  network: { readonly graph: Graph; readonly tensors: Tensors },
  reference: ReferenceRunner,
  images: readonly Float32Array[],
): Promise<Comparison> {
  if (images.length === 0) throw new RangeError('a comparison needs at least one image')
  const run = floatRunner(network.graph, network.tensors)
  let largestDifference = 0
  let largestLogit = 0
  for (const [i, image] of images.entries()) {
    const { logits: ours } = run(image)
    const theirs = await reference.run(image)
    if (theirs.length !== ours.length) {
      const what = `${reference.name} gives ${theirs.length} logits, the imported network ${ours.length}`
      throw new AdytonError('model-invalid', what, { advice: 'The file was not read as it is meant: do not use it.' })
    }
    largest(ours, 'the imported network', i)
    largestLogit = Math.max(largestLogit, largest(theirs, reference.name, i))
    for (let j = 0; j < ours.length; j++) {
      largestDifference = Math.max(largestDifference, Math.abs(ours[j] - theirs[j]))
    }
  }
  return { against: reference.name, images: images.length, largestDifference, largestLogit }
}
