/** evaluate: top-1 accuracy of a model on the test images of a data set, in the clear. */
import * as v from 'valibot'
import { openDataset } from '../../datasets/dataset.ts'
import { countNetwork } from '../../network/counts.ts'
import { loadEngine } from '../../training/engine/index.ts'
import { TrainableModel } from '../../training/model/model.ts'
import { partBatches } from '../../training/trainer/batches.ts'
import { evaluate as measure } from '../../training/trainer/evaluate.ts'
import { engineFolders } from '../engines/adopted.ts'
import { checkFits } from '../curation/setting.ts'
import type { Operation } from '../operation.ts'
import { record } from '../recording.ts'
import { loadNetwork } from '../source.ts'

export const evaluateInput = v.strictObject({
  model: v.pipe(v.string(), v.minLength(1)),
  dataset: v.pipe(v.string(), v.minLength(1)),
  split: v.optional(v.picklist(['train', 'test']), 'test'),
  /** Folder of the catalog that zoo:ID means; a model of it keeps the accuracy on test images. */
  data: v.exactOptional(v.string()),
})
export type EvaluateInput = v.InferOutput<typeof evaluateInput>

const PROGRESS_MS = 250

export interface EvaluateResult {
  readonly model: string
  readonly dataset: string
  readonly accuracy: number
  readonly correct: number
  readonly images: number
  /** Half the width of the 95% interval of the accuracy (normal approximation of the binomial). */
  readonly interval: number
  readonly relus: number
  readonly engine: string
}

export const evaluate: Operation<typeof evaluateInput, EvaluateResult> = {
  name: 'evaluate',
  summary: 'Measures the accuracy of a model on a data set, in the clear.',
  input: evaluateInput,
  async run(input, context) {
    const network = await loadNetwork({ model: input.model }, input.data)
    const dataset = await openDataset(input.dataset)
    for (const notice of dataset.notices) context.onNotice(notice)
    checkFits(dataset, network.graph, network.classNames.length)
    const engine = await loadEngine({ folders: engineFolders(input.data) })
    try {
      const model = TrainableModel.create(engine, network.graph, network.tensors)
      const { mean, std } = network.preprocessing
      const images = partBatches(dataset.parts[input.split], { size: 256, normalisation: { mean, std } })
      let told = 0
      const onProgress = (done: number): void => {
        if (performance.now() - told < PROGRESS_MS) return
        told = performance.now()
        context.onProgress({ text: `${done} of ${images.images} images`, fraction: done / images.images })
      }
      onProgress(0)
      const { top1, correct, images: count } = await measure(model, images, { signal: context.signal, onProgress })
      if (input.split === 'test') {
        const accuracy = { what: 'accuracy', value: top1, dataset: dataset.name, images: count }
        await record(input.model, input.data, { measurements: [accuracy] }, context)
      }
      return {
        model: network.id,
        dataset: dataset.name,
        accuracy: top1,
        correct,
        images: count,
        interval: 1.96 * Math.sqrt((top1 * (1 - top1)) / count),
        relus: countNetwork(network.graph, network.tensors).relus,
        engine: engine.description,
      }
    } finally {
      engine.dispose()
    }
  },
}
