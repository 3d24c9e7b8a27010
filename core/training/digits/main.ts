/**
 * Trains the bundled digits model and writes it as a model folder.
 *
 *   npm run train:digits -- --dataset DIR --out DIR [--epochs N] [--seed N]
 *
 * The same data, seed and options give the same bytes on the same machine (other CPUs may sum in another order).
 */
import { parseArgs } from 'node:util'
import { loadMnist, MNIST_PIXELS, type Mnist } from '../../datasets/mnist.ts'
import { AdytonError } from '../../errors/errors.ts'
import { writeModel } from '../../formats/model-directory.ts'
import { calibrateNetwork } from '../../network/lower/lower.ts'
import { accuracy, fit, FIT } from './fit.ts'
import { toTensors } from './model.ts'
import { DIGITS, digitsGraph } from './network.ts'
import { digitsCard } from './card.ts'

const CALIBRATION_IMAGES = 1000

function whole(name: string, text: string | undefined, fallback: number, min: number, max: number): number {
  if (text === undefined) return fallback
  const value = Number(text)
  if (Number.isInteger(value) && value >= min && value <= max) return value
  throw new AdytonError('usage', `--${name} ${text}: expected a whole number from ${min} to ${max}`)
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      dataset: { type: 'string' },
      out: { type: 'string' },
      epochs: { type: 'string' },
      seed: { type: 'string' },
    },
  })
  if (values.dataset === undefined || values.out === undefined) {
    throw new AdytonError('usage', 'train:digits needs --dataset DIR (the four MNIST files) and --out DIR')
  }
  const options = {
    ...FIT,
    epochs: whole('epochs', values.epochs, FIT.epochs, 1, 10_000),
    seed: whole('seed', values.seed, FIT.seed, 0, 2 ** 32 - 1),
  }
  const train = loadMnist(values.dataset, 'train')
  const test = loadMnist(values.dataset, 'test')
  console.error(`${train.count} images to train and validate on, ${test.count} to test; ${options.epochs} epochs`)
  const started = performance.now()
  const fitted = await fit(train, options, ({ epoch, loss, validation }) => {
    const seconds = ((performance.now() - started) / 1000).toFixed(0)
    console.error(`epoch ${epoch}: loss ${loss.toFixed(4)}, validation ${percent(validation)}, ${seconds} s`)
  })
  // The only look at the test images.
  const tested = accuracy(fitted.parameters, test)
  const card = digitsCard({
    options,
    trainImages: fitted.trainImages,
    validationImages: fitted.validationImages,
    testImages: test.count,
    validation: fitted.validation,
    test: tested,
  })
  const graph = digitsGraph(DIGITS)
  const tensors = toTensors(fitted.parameters, DIGITS)
  const calibration = calibrateNetwork(graph, tensors, calibrationImages(train))
  await writeModel(values.out, { graph, tensors, card, calibration })
  console.error(`test ${percent(tested)} (${test.count} images); written to ${values.out}`)
}

/** The first training images as they are: what the ranges of the lowered network are taken from. */
function calibrationImages({ images, count }: Mnist): Float32Array[] {
  return Array.from({ length: Math.min(count, CALIBRATION_IMAGES) }, (_, index) =>
    Float32Array.from(images.subarray(index * MNIST_PIXELS, (index + 1) * MNIST_PIXELS), (value) => value / 255),
  )
}

const percent = (share: number) => `${(100 * share).toFixed(2)} %`

try {
  await main()
} catch (error) {
  if (!(error instanceof AdytonError)) throw error
  console.error(`${error.code}: ${error.message}${error.advice === undefined ? '' : `\n${error.advice}`}`)
  process.exitCode = 1
}
