/** What operations leave in the catalog about its models, which are named `zoo:ID`. */
import { availableParallelism, cpus } from 'node:os'
import { addInference } from '../zoo/inferences.ts'
import { importModel, type ImportOptions } from '../zoo/import.ts'
import { addMeasurements, type NewMeasurement } from '../zoo/measurements.ts'
import { changeTags } from '../zoo/tags.ts'
import { withZoo } from '../zoo/zoo.ts'
import { dataFolder } from './data-folder.ts'
import type { OperationContext } from './operation.ts'

const CATALOG = 'zoo:'

/** The id in 'zoo:ID'; undefined for what is no model of the catalog. */
export function catalogId(model: string): string | undefined {
  return model.startsWith(CATALOG) ? model.slice(CATALOG.length) : undefined
}

/** This machine, for measurements of time. */
export function machineName(): string {
  const model = cpus()[0]?.model.trim() ?? process.arch
  return `${model}, ${availableParallelism()} cores`
}

export interface Recorded {
  readonly measurements: readonly NewMeasurement[]
  /** The whole account of a private inference; never images, shares or masks. */
  readonly ledger?: unknown
}

/**
 * Adds what was measured to a model of the catalog; nothing for other models. What was measured is not lost to a catalog
 * that cannot be written: that is a notice, and the operation goes on to give its result.
 */
export async function record(
  model: string,
  data: string | undefined,
  { measurements, ledger }: Recorded,
  context: Pick<OperationContext, 'onNotice'>,
): Promise<void> {
  const id = catalogId(model)
  if (id === undefined) return
  try {
    await withZoo(dataFolder(data), (zoo) => {
      const at = Date.now()
      addMeasurements(zoo, id, measurements, at)
      if (ledger !== undefined) addInference(zoo, id, { at, ledger })
    })
  } catch (error) {
    context.onNotice(`not recorded in the catalog: ${error instanceof Error ? error.message : String(error)}`)
  }
}

export interface Kept {
  /** Folder of the model that was just made. */
  readonly folder: string
  readonly data: string | undefined
  readonly by: 'train' | 'linearize'
  /** The model that it was made of: 'zoo:ID', or a name; for a training its architecture and data. */
  readonly of: string
  /** Checked already; see checkTag. */
  readonly tags?: readonly string[]
}

/** Brings a model that was made here into the catalog, with where it comes from; returns its id. */
export async function keep({ folder, data, by, of, tags = [] }: Kept): Promise<string> {
  const relation = by === 'train' ? 'trained-from' : 'linearised-from'
  const parent = catalogId(of)
  const options: ImportOptions =
    parent === undefined
      ? { made: { by, of: { relation, source: of, recipe: null } } }
      : { made: { by }, parent: { id: parent, relation } }
  return await withZoo(dataFolder(data), async (zoo) => {
    const { id } = await importModel(zoo, folder, options)
    if (tags.length > 0) changeTags(zoo, id, tags, [])
    return id
  })
}
