/** Pictures as a network takes them. */
import { openDataset } from '../../datasets/dataset.ts'
import { imageToDigit, imageToTensor } from '../../datasets/image.ts'
import { MNIST_PIXELS } from '../../datasets/mnist.ts'
import { AdytonError } from '../../errors/errors.ts'
import { networkImages } from '../network-images.ts'
import type { OperationContext } from '../operation.ts'
import { noiseImages, type LoadedNetwork } from '../source.ts'

/** Where images come from: pictures, a part of a data set, or neither for one image of noise. */
export interface ImageInput {
  readonly pictures: readonly string[]
  readonly dataset?:
    | { readonly folder: string; readonly split: 'train' | 'test'; readonly count: number; readonly from: number }
    | undefined
}

/** Images ready for the network: preprocessed floats, and their labels where they have one. */
export interface Images {
  readonly floats: readonly Float32Array[]
  readonly labels: readonly (number | null)[]
}

/** What has to be known of a network. */
export type ImageTaker = Pick<LoadedNetwork, 'name' | 'inputShape' | 'preprocessing'>

export async function loadImages(
  { pictures, dataset }: ImageInput,
  network: ImageTaker,
  context: Pick<OperationContext, 'onNotice'>,
): Promise<Images> {
  if (pictures.length > 0 && dataset !== undefined) {
    throw new AdytonError('usage', 'give either pictures or a dataset, not both')
  }
  if (dataset !== undefined) return await loadDataset(dataset, network, context)
  if (pictures.length === 0) return { floats: noiseImages(network, 1), labels: [null] }
  const floats: Float32Array[] = []
  for (const picture of pictures) floats.push(await loadPicture(picture, network))
  return { floats, labels: floats.map(() => null) }
}

/** One picture, preprocessed as the model's card says. */
export async function loadPicture(
  file: string,
  network: Pick<LoadedNetwork, 'inputShape' | 'preprocessing'>,
): Promise<Float32Array> {
  const { inputShape, preprocessing } = network
  const [channels, height, width] = inputShape
  const { kind, mean, std } = preprocessing
  if (kind === 'digit' && height * width === MNIST_PIXELS) {
    return (await imageToDigit(file)).map((x) => (x - mean[0]) / std[0])
  }
  return await imageToTensor(file, { shape: [channels, height, width], mean, std })
}

async function loadDataset(
  input: NonNullable<ImageInput['dataset']>,
  network: ImageTaker,
  context: Pick<OperationContext, 'onNotice'>,
): Promise<Images> {
  const dataset = await openDataset(input.folder)
  for (const notice of dataset.notices) context.onNotice(notice)
  if (network.inputShape.join() !== dataset.shape.join()) {
    throw new AdytonError(
      'usage',
      `${network.name} takes images of ${network.inputShape.join('x')}, ${dataset.name} has ${dataset.shape.join('x')}`,
      { advice: 'Choose another data set or another model.' },
    )
  }
  const part = dataset.parts[input.split]
  const end = input.from + input.count
  if (end > part.count) {
    throw new AdytonError('usage', `the ${input.split} part of ${dataset.name} has ${part.count} images, not ${end}`, {
      advice: 'Ask for fewer images, or start earlier.',
    })
  }
  const records = Uint32Array.from({ length: input.count }, (_, i) => input.from + i)
  const floats = await networkImages(part, records, network.preprocessing)
  return { floats, labels: [...part.labels.subarray(input.from, end)] }
}
