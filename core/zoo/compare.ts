/** Two to six models side by side: what their cards and counts say, and their layers. */
import { countNetwork } from '../network/counts.ts'
import { findModel } from './models.ts'
import { showModel, type ModelDetails } from './show.ts'
import { networkOf } from './version-files.ts'
import type { Zoo } from './zoo.ts'

export const COMPARED = { least: 2, most: 6 } as const

export interface ComparedField {
  readonly field: string
  /** One a model, null where it has none. */
  readonly values: readonly (string | number | null)[]
  readonly differs: boolean
}

export interface ComparedLayer {
  readonly layer: string
  readonly models: readonly ({
    readonly op: string
    readonly relus: number
    readonly macs: number
    readonly params: number
  } | null)[]
  readonly differs: boolean
}

export interface Comparison {
  readonly ids: readonly string[]
  readonly fields: readonly ComparedField[]
  /** By the layers' names, in the order of the first model that has them. */
  readonly layers: readonly ComparedLayer[]
}

const FIELDS: Readonly<Record<string, (model: ModelDetails) => string | number | null>> = {
  name: (model) => model.name,
  stage: (model) => model.stage,
  version: (model) => model.version,
  tags: (model) => model.tags.join(' '),
  dataset: (model) => model.dataset,
  licence: (model) => model.licence,
  classes: (model) => model.card.classes,
  'base model': (model) => model.baseModel,
  'intended use': (model) => model.intendedUse,
  limits: (model) => model.limits,
  training: (model) => model.card.training?.summary ?? null,
  ReLUs: (model) => model.relus,
  MACs: (model) => model.macs,
  parameters: (model) => model.params,
}

export async function compareModels(zoo: Zoo, ids: readonly string[]): Promise<Comparison> {
  if (ids.length < COMPARED.least || ids.length > COMPARED.most) throw new RangeError('two to six models are compared')
  const models = ids.map((id) => showModel(zoo, id))
  const fields = Object.entries(FIELDS).map(([field, value]) => marked(field, models.map(value)))
  return { ids, fields: [...fields, ...measured(models)], layers: await layersOf(zoo, ids) }
}

function marked(field: string, values: readonly (string | number | null)[]): ComparedField {
  return { field, values, differs: values.some((value) => value !== values[0]) }
}

/** The newest of each measurement but the counts, apart by data set and machine. */
function measured(models: readonly ModelDetails[]): ComparedField[] {
  const newest = models.map((model) => {
    const values = new Map<string, number>()
    for (const { what, value, unit, dataset, machine } of model.measurements) {
      if (what === 'relus' || what === 'macs' || what === 'params') continue
      const name = [what, unit && `[${unit}]`, dataset && `on ${dataset}`, machine && `(${machine})`]
      const field = name.filter(Boolean).join(' ')
      if (!values.has(field)) values.set(field, value)
    }
    return values
  })
  const names = new Set(newest.flatMap((values) => [...values.keys()]))
  return [...names].map((name) =>
    marked(
      name,
      newest.map((values) => values.get(name) ?? null),
    ),
  )
}

async function layersOf(zoo: Zoo, ids: readonly string[]): Promise<ComparedLayer[]> {
  const layers = new Map<string, ComparedLayer['models'][number][]>()
  for (const [i, id] of ids.entries()) {
    const { graph, tensors } = await networkOf(zoo, findModel(zoo.db, id).version)
    const ops = new Map(graph.nodes.map((node) => [node.id, node.op]))
    for (const { id: layer, relus, macs, params } of countNetwork(graph, tensors).nodes) {
      const row = layers.get(layer) ?? ids.map(() => null)
      row[i] = { op: ops.get(layer) as string, relus, macs, params }
      layers.set(layer, row)
    }
  }
  return [...layers].map(([layer, models]) => {
    const texts = models.map((model) => JSON.stringify(model))
    return { layer, models, differs: texts.some((text) => text !== texts[0]) }
  })
}
