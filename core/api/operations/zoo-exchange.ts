/** Operations that bring models into the catalog and write them out; bundles are in zoo-bundles.ts. */
import * as v from 'valibot'
import { openDataset } from '../../datasets/dataset.ts'
import { AdytonError } from '../../errors/errors.ts'
import { PreprocessingSchema, type Card } from '../../formats/model-directory.ts'
import { WRITTEN_OPSETS } from '../../formats/onnx/write.ts'
import type { Shape } from '../../network/graph.ts'
import { exportOnnx, type OnnxExported } from '../../zoo/export-onnx.ts'
import { exportModel, type Exported } from '../../zoo/export.ts'
import { importModel, type ImportedSource, type ImportOptions } from '../../zoo/import.ts'
import { STAGES } from '../../zoo/models.ts'
import { withZoo } from '../../zoo/zoo.ts'
import { dataFolder } from '../data-folder.ts'
import { networkImages } from '../network-images.ts'
import type { Operation } from '../operation.ts'
import { VERSION } from '../software.ts'
import { bundledFolder } from '../source.ts'
import { dataEntry, idEntry, idText } from './zoo-input.ts'

const path = v.pipe(v.string(), v.minLength(1))
const text = (max: number) => v.exactOptional(v.pipe(v.string(), v.trim(), v.minLength(1), v.maxLength(max)))

/** Before the id of a model that comes with the program, in the place of a path. */
const BUNDLED = 'bundled:'

const importInput = v.strictObject({
  ...dataEntry,
  /** A model folder, a file of another program, or bundled:ID. */
  path,
  stage: v.optional(v.picklist(STAGES), 'draft'),
  /** A model that gets a new version, instead of a new model. */
  versionOf: v.exactOptional(idText),
  /** The model that it was made of. */
  parent: v.exactOptional(
    v.strictObject({
      id: idText,
      relation: v.optional(v.picklist(['trained-from', 'linearised-from']), 'trained-from'),
    }),
  ),
  /** Model folders only: the weights stay where they are. */
  link: v.optional(v.boolean(), false),
  /** What the card says of a file that has none. */
  card: v.optional(
    v.strictObject({
      name: text(128),
      dataset: text(128),
      licence: text(128),
      classNames: v.exactOptional(v.pipe(v.array(v.pipe(v.string(), v.maxLength(128))), v.minLength(1))),
      preprocessing: v.exactOptional(PreprocessingSchema),
    }),
    {},
  ),
  /** Compare with a second implementation after reading. */
  compare: v.optional(v.boolean(), true),
  /** A data set whose test images are compared on, beside random ones. */
  compareOn: v.exactOptional(path),
})

/** Test images of a data set that both implementations run. */
const REAL_IMAGES = 8

async function realImages(folder: string, card: Card, shape: Shape): Promise<Float32Array[]> {
  const dataset = await openDataset(folder)
  const { test } = dataset.parts
  if (shape.join() !== test.shape.join()) {
    throw new AdytonError(
      'usage',
      `the network takes images of ${shape.join('x')}, ${dataset.name} has ${test.shape.join('x')}`,
      { advice: 'Compare on another data set, or on random images alone.' },
    )
  }
  const count = Math.min(REAL_IMAGES, test.count)
  return await networkImages(
    test,
    Uint32Array.from({ length: count }, (_, i) => i),
    card.preprocessing,
  )
}

export const zooImport: Operation<typeof importInput, ImportedSource> = {
  name: 'zooImport',
  summary:
    'Brings a model folder or a file of another program into the catalog, compared with a second implementation.',
  input: importInput,
  async run({ data, path, compareOn, ...rest }, { onNotice, onProgress }) {
    onProgress({ text: `reading ${path}` })
    const options: ImportOptions = {
      ...rest,
      ...(compareOn === undefined ? {} : { images: (card, shape) => realImages(compareOn, card, shape) }),
    }
    // Where this program lies says nothing about the model, and may be gone after an update.
    const bundled = path.startsWith(BUNDLED)
    const source = bundled ? bundledFolder(path.slice(BUNDLED.length)) : path
    const imported = await withZoo(dataFolder(data), (zoo) =>
      importModel(zoo, source, bundled ? { ...options, origin: path } : options),
    )
    imported.notes.forEach(onNotice)
    return imported
  },
}

const exportInput = v.strictObject({ ...dataEntry, ...idEntry, path })

export const zooExport: Operation<typeof exportInput, Exported> = {
  name: 'zooExport',
  summary: 'Writes a model of the catalog as a model folder.',
  input: exportInput,
  run: ({ data, id, path }) => withZoo(dataFolder(data), (zoo) => exportModel(zoo, id, path)),
}

const onnxInput = v.strictObject({
  ...dataEntry,
  ...idEntry,
  path,
  opset: v.exactOptional(
    v.pipe(v.number(), v.integer(), v.minValue(WRITTEN_OPSETS.min), v.maxValue(WRITTEN_OPSETS.max)),
  ),
})

export const zooExportOnnx: Operation<typeof onnxInput, OnnxExported> = {
  name: 'zooExportOnnx',
  summary: 'Writes a model of the catalog as ONNX, in standard operators; masked ReLUs become PRelu.',
  input: onnxInput,
  run: ({ data, id, path, ...options }) =>
    withZoo(dataFolder(data), (zoo) => exportOnnx(zoo, id, path, { ...options, version: VERSION })),
}
