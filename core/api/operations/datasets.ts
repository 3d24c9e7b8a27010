/** Data sets: which can be fetched, fetching one, and what lies at a path. */
import { join } from 'node:path'
import * as v from 'valibot'
import { openDataset } from '../../datasets/dataset.ts'
import { fetchOfficial } from '../../datasets/fetch-official.ts'
import { OFFICIAL, type OfficialDataset } from '../../datasets/official.ts'
import { dataFolder } from '../data-folder.ts'
import { AdytonError } from '../../errors/errors.ts'
import type { Operation } from '../operation.ts'

export interface DatasetRow {
  readonly id: OfficialDataset['id']
  readonly title: string
  /** Of the download. */
  readonly bytes: number
  readonly urls: readonly string[]
}

export const datasetList: Operation<Record<never, never>, DatasetRow[]> = {
  name: 'dataset-list',
  summary: 'Lists the official data sets that can be fetched.',
  input: v.strictObject({}),
  run: () =>
    Promise.resolve(
      OFFICIAL.map(({ id, title, downloads }) => ({
        id,
        title,
        bytes: downloads.reduce((sum, { bytes }) => sum + bytes, 0),
        urls: downloads.map(({ urls }) => urls[0]),
      })),
    ),
}

const fetchInput = v.strictObject({
  id: v.picklist(OFFICIAL.map(({ id }) => id)),
  /** Folder to put it in; datasets/ in the data folder unless given. */
  out: v.optional(v.pipe(v.string(), v.minLength(1))),
  data: v.optional(v.pipe(v.string(), v.minLength(1))),
})
export type DatasetFetchInput = v.InferOutput<typeof fetchInput>

export const datasetFetch: Operation<DatasetFetchInput, DatasetReport> = {
  name: 'dataset-fetch',
  summary: 'Downloads an official data set, checks it and unpacks it; run it again to go on after a stop.',
  input: fetchInput,
  async run({ id, out, data }, context) {
    const folder = out ?? join(dataFolder(data), 'datasets')
    const path = await fetchOfficial(id, folder, {
      signal: context.signal,
      onProgress: ({ file, received, total }) =>
        context.onProgress({
          text: `${file}: ${(received / 1e6).toFixed(1)} MB${total === undefined ? '' : ` of ${(total / 1e6).toFixed(1)} MB`}`,
          ...(total === undefined ? {} : { fraction: received / total }),
        }),
    }).catch((error: unknown) => {
      throw withOtherWay(error, id)
    })
    return report(path)
  },
}

/** Where a connection is missing, a person may have another one. */
function withOtherWay(error: unknown, id: OfficialDataset['id']): unknown {
  if (!(error instanceof AdytonError && error.code.startsWith('peer-'))) return error
  const urls = OFFICIAL.find((set) => set.id === id)?.downloads.map((file) => file.urls[0]) ?? []
  const advice = `${error.advice ?? ''} Or get ${urls.join(', ')} another way and name the folder with --dataset.`
  return new AdytonError(error.code, error.message, { advice: advice.trim(), cause: error })
}

export interface DatasetReport {
  /** What --dataset takes. */
  readonly path: string
  readonly kind: string
  readonly name: string
  readonly classes: number
  readonly classNames: readonly string[]
  /** [channels, height, width] */
  readonly shape: readonly number[]
  readonly images: { readonly train: number; readonly test: number }
  readonly notices: readonly string[]
}

export const datasetCheck: Operation<{ path: string }, DatasetReport> = {
  name: 'dataset-check',
  summary: 'Says what data set lies at a path, or what is wrong with it.',
  input: v.strictObject({ path: v.pipe(v.string(), v.minLength(1)) }),
  run: ({ path }) => report(path),
}

async function report(path: string): Promise<DatasetReport> {
  const { kind, name, classes, classNames, shape, parts, notices, path: folder } = await openDataset(path)
  const images = { train: parts.train.count, test: parts.test.count }
  return { path: folder === '' ? path : folder, kind, name, classes, classNames, shape, images, notices }
}
