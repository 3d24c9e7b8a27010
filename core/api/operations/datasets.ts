/** Data sets: which can be fetched, fetching one, and what lies at a path. */
import { join } from 'node:path'
import * as v from 'valibot'
import { openDataset, type OpenOptions } from '../../datasets/dataset.ts'
import { fetchOfficial } from '../../datasets/fetch-official.ts'
import { OFFICIAL, type OfficialDataset } from '../../datasets/official.ts'
import { generatedDataset } from '../../datasets/generated.ts'
import { dataFolder } from '../data-folder.ts'
import { findDatasets, type FoundDataset } from '../dataset-places.ts'
import { AdytonError } from '../../errors/errors.ts'
import type { Operation } from '../operation.ts'

export interface DatasetRow {
  /** What dataset-fetch takes; null for one that is only found. */
  readonly id: OfficialDataset['id'] | null
  readonly title: string
  /** What the cards of models that were trained on it begin with. */
  readonly name: string
  /** What the other operations take; null when it is not on this machine. */
  readonly folder: string | null
  /** As found; of one that is not here, as published. */
  readonly classes: number
  /** [channels, height, width] */
  readonly shape: readonly number[]
  readonly images: { readonly train: number; readonly test: number }
  /** Of the download; null for one that cannot be fetched. */
  readonly bytes: number | null
  readonly urls: readonly string[]
}

const listInput = v.strictObject({ data: v.exactOptional(v.pipe(v.string(), v.minLength(1))) })

export const datasetList: Operation<typeof listInput, DatasetRow[]> = {
  name: 'dataset-list',
  summary: 'Lists the data sets on this machine, and the official ones that can be fetched.',
  input: listInput,
  async run({ data }, { onNotice }) {
    const found = await findDatasets(data, onNotice)
    const official = OFFICIAL.map((set): DatasetRow => {
      const { id, title, classes, shape, images, downloads } = set
      const here = found.find((one) => isOf(one, set))
      const published = here === undefined ? { folder: null, classes, shape, images } : pick(here)
      const bytes = downloads.reduce((sum, file) => sum + file.bytes, 0)
      return { id, title, name: title, ...published, bytes, urls: downloads.map(({ urls }) => urls[0]) }
    })
    const { name, classes, shape, parts } = await generatedDataset()
    const images = { train: parts.train.count, test: parts.test.count }
    const own = [{ folder: 'generated', title: 'Generated pictures', name, classes, shape, images }, ...found]
      .filter((one) => !official.some(({ folder }) => folder === one.folder))
      .map((one): DatasetRow => {
        const { name } = one
        return { id: null, title: 'title' in one ? one.title : name, name, ...pick(one), bytes: null, urls: [] }
      })
    return [...official, ...own]
  },
}

const pick = ({ folder, classes, shape, images }: Pick<DatasetRow, 'classes' | 'shape' | 'images' | 'folder'>) => ({
  ...{ folder, classes, shape, images },
})

/** Files in IDX format are of MNIST or Fashion-MNIST when their checksums say so. */
const isOf = ({ kind, name }: FoundDataset, { id, title }: OfficialDataset): boolean =>
  kind === 'idx' ? name === title : kind === id

const fetchInput = v.strictObject({
  id: v.picklist(OFFICIAL.map(({ id }) => id)),
  /** Folder to put it in; datasets/ in the data folder unless given. */
  out: v.optional(v.pipe(v.string(), v.minLength(1))),
  data: v.optional(v.pipe(v.string(), v.minLength(1))),
})
export type DatasetFetchInput = v.InferOutput<typeof fetchInput>

export const datasetFetch: Operation<typeof fetchInput, DatasetReport> = {
  name: 'dataset-fetch',
  summary: 'Downloads an official data set, checks it and unpacks it; run it again to go on after a stop.',
  input: fetchInput,
  async run({ id, out, data }, context) {
    const folder = out ?? join(dataFolder(data), 'datasets')
    const files = OFFICIAL.find((set) => set.id === id)?.downloads ?? []
    const all = files.reduce((sum, { bytes }) => sum + bytes, 0)
    const path = await fetchOfficial(id, folder, {
      signal: context.signal,
      onProgress: throttled(({ file, received }) => {
        const place = files.findIndex(({ name }) => name === file)
        const before = files.slice(0, place).reduce((sum, { bytes }) => sum + bytes, 0)
        const megabytes = (bytes: number): string => (bytes / 1e6).toFixed(1)
        context.onProgress({
          text: `${file}: ${megabytes(received)} of ${megabytes(files[place].bytes)} MB`,
          fraction: (DOWNLOAD_SHARE * (before + received)) / all,
        })
      }),
    }).catch((error: unknown) => {
      throw withOtherWay(error, id)
    })
    context.onProgress({ text: 'checking what came', fraction: DOWNLOAD_SHARE })
    return report(path, {
      signal: context.signal,
      onUnpack: throttled(({ files: count }) =>
        context.onProgress({ text: `unpacking: ${count} files`, fraction: DOWNLOAD_SHARE }),
      ),
    })
  },
}

/** The rest is for checking and unpacking. */
const DOWNLOAD_SHARE = 0.9
const PROGRESS_MS = 250

/** Not more often than every quarter of a second. */
function throttled<T>(tell: (value: T) => void): (value: T) => void {
  let last = -Infinity
  return (value) => {
    if (performance.now() - last < PROGRESS_MS) return
    last = performance.now()
    tell(value)
  }
}

/** Where a connection is missing, a person may have another one. */
function withOtherWay(error: unknown, id: OfficialDataset['id']): unknown {
  if (!(error instanceof AdytonError && error.code.startsWith('peer-'))) return error
  const urls = OFFICIAL.find((set) => set.id === id)?.downloads.map((file) => file.urls[0]) ?? []
  const advice = `${error.advice ?? ''} Or get ${urls.join(', ')} another way and name their folder.`
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

const checkInput = v.strictObject({ path: v.pipe(v.string(), v.minLength(1)) })

export const datasetCheck: Operation<typeof checkInput, DatasetReport> = {
  name: 'dataset-check',
  summary: 'Says what data set lies at a path, or what is wrong with it.',
  input: checkInput,
  run: ({ path }) => report(path),
}

async function report(path: string, options: OpenOptions = {}): Promise<DatasetReport> {
  const { kind, name, classes, classNames, shape, parts, notices, path: folder } = await openDataset(path, options)
  const images = { train: parts.train.count, test: parts.test.count }
  return { path: folder === '' ? path : folder, kind, name, classes, classNames, shape, images, notices }
}
