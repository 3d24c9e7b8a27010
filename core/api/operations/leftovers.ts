/** Operations on what lies in the data folder and may no longer be needed. */
import * as v from 'valibot'
import { withZoo } from '../../zoo/zoo.ts'
import { dataFolder } from '../data-folder.ts'
import { findLeftovers, removeLeftovers as remove, type Leftover } from '../leftovers.ts'
import type { Operation } from '../operation.ts'
import { dataEntry } from './zoo-input.ts'

const listInput = v.strictObject(dataEntry)

export const leftovers: Operation<typeof listInput, readonly Leftover[]> = {
  name: 'leftovers',
  summary:
    'Lists folders of trainings, replaced catalogs and old packages that may no longer be needed, with their sizes.',
  input: listInput,
  run({ data }) {
    const folder = dataFolder(data)
    return withZoo(folder, (zoo) => findLeftovers(folder, zoo))
  },
}

const removeInput = v.strictObject({
  ...dataEntry,
  names: v.pipe(v.array(v.pipe(v.string(), v.minLength(1), v.maxLength(512))), v.minLength(1), v.maxLength(10_000)),
})

export const removeLeftovers: Operation<typeof removeInput, { readonly bytes: number }> = {
  name: 'removeLeftovers',
  summary: 'Deletes some of them for good; what a job or the catalog needs is refused.',
  input: removeInput,
  async run({ data, names }) {
    const folder = dataFolder(data)
    return { bytes: await withZoo(folder, (zoo) => remove(folder, zoo, names)) }
  },
}
