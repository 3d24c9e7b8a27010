/** Operations on the models of the catalog: looking, bringing in, changing. */
import * as v from 'valibot'
import { compareModels, COMPARED, type Comparison } from '../../zoo/compare.ts'
import { editModel } from '../../zoo/edit.ts'
import { inferencesOf, type Inference } from '../../zoo/inferences.ts'
import { lineageOf, type Lineage } from '../../zoo/lineage.ts'
import { listModels, MAX_LIMIT, SORT_NAMES, type ModelList } from '../../zoo/list.ts'
import { STAGES } from '../../zoo/models.ts'
import { showModel, type ModelDetails } from '../../zoo/show.ts'
import { changeTags } from '../../zoo/tags.ts'
import { withZoo } from '../../zoo/zoo.ts'
import { dataFolder } from '../data-folder.ts'
import type { Operation } from '../operation.ts'
import { dataEntry, idEntry, idText } from './zoo-input.ts'

const whole = v.pipe(v.number(), v.safeInteger(), v.minValue(0))

const listInput = v.strictObject({
  ...dataEntry,
  query: v.optional(v.string(), ''),
  sort: v.optional(v.picklist(SORT_NAMES), 'name'),
  descending: v.optional(v.boolean(), false),
  limit: v.optional(v.pipe(whole, v.minValue(1), v.maxValue(MAX_LIMIT)), 100),
  offset: v.optional(whole, 0),
  after: v.exactOptional(v.string()),
  trash: v.optional(v.boolean(), false),
})

export const zooList: Operation<typeof listInput, ModelList> = {
  name: 'zooList',
  summary: 'Lists the models of the catalog that fulfil a query.',
  input: listInput,
  run: ({ data, ...options }) => withZoo(dataFolder(data), (zoo) => listModels(zoo, options)),
}

const oneInput = v.strictObject({ ...dataEntry, ...idEntry })

export const zooShow: Operation<typeof oneInput, ModelDetails> = {
  name: 'zooShow',
  summary: 'Shows everything that the catalog has about a model.',
  input: oneInput,
  run: ({ data, id }) => withZoo(dataFolder(data), (zoo) => showModel(zoo, id)),
}

export const zooLineage: Operation<typeof oneInput, Lineage> = {
  name: 'zooLineage',
  summary: 'Shows what a model was made of, and what was made of it.',
  input: oneInput,
  run: ({ data, id }) => withZoo(dataFolder(data), (zoo) => lineageOf(zoo, id)),
}

const historyInput = v.strictObject({
  ...dataEntry,
  ...idEntry,
  limit: v.optional(v.pipe(whole, v.minValue(1), v.maxValue(MAX_LIMIT)), 100),
})

export const zooHistory: Operation<typeof historyInput, readonly Inference[]> = {
  name: 'zooHistory',
  summary: 'Lists the private inferences of a model, each with its whole account, the newest first.',
  input: historyInput,
  run: ({ data, id, limit }) => withZoo(dataFolder(data), (zoo) => inferencesOf(zoo, id, limit)),
}

const someTags = v.optional(v.pipe(v.array(v.string()), v.maxLength(100)), [])
const tagInput = v.strictObject({ ...dataEntry, ...idEntry, add: someTags, remove: someTags })

export const zooTag: Operation<typeof tagInput, { readonly id: string; readonly tags: string[] }> = {
  name: 'zooTag',
  summary: 'Adds tags to a model and removes others.',
  input: tagInput,
  run: ({ data, id, add, remove }) =>
    withZoo(dataFolder(data), (zoo) => ({ id, tags: changeTags(zoo, id, add, remove) })),
}

const text = (max: number) => v.exactOptional(v.nullable(v.pipe(v.string(), v.maxLength(max))))
const editInput = v.strictObject({
  ...dataEntry,
  ...idEntry,
  name: v.exactOptional(v.pipe(v.string(), v.trim(), v.minLength(1), v.maxLength(128))),
  description: text(4000),
  licence: v.exactOptional(v.pipe(v.string(), v.maxLength(128))),
  stage: v.exactOptional(v.picklist(STAGES)),
  intendedUse: text(4000),
  baseModel: text(200),
  limits: text(4000),
})

export const zooEdit: Operation<typeof editInput, ModelDetails> = {
  name: 'zooEdit',
  summary: 'Changes the card or the stage of a model.',
  input: editInput,
  run: ({ data, id, ...changes }) =>
    withZoo(dataFolder(data), async (zoo) => {
      await editModel(zoo, id, changes)
      return showModel(zoo, id)
    }),
}

const compareInput = v.strictObject({
  ...dataEntry,
  ids: v.pipe(
    v.array(idText),
    v.minLength(COMPARED.least, 'two to six models are compared'),
    v.maxLength(COMPARED.most, 'two to six models are compared'),
  ),
})

export const zooCompare: Operation<typeof compareInput, Comparison> = {
  name: 'zooCompare',
  summary: 'Lays two to six models side by side.',
  input: compareInput,
  run: ({ data, ids }) => withZoo(dataFolder(data), (zoo) => compareModels(zoo, ids)),
}
