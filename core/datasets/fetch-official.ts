/** Downloads of the official data sets, ready to be opened. */
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { AdytonError } from '../errors/errors.ts'
import { download, type DownloadOptions, type DownloadProgress } from './download.ts'
import { ARCHIVES, OFFICIAL, type OfficialDataset, type OfficialDownload } from './official.ts'

export interface FetchProgress extends DownloadProgress {
  /** The file that is being fetched. */
  readonly file: string
}

export interface FetchOptions extends Pick<DownloadOptions, 'signal' | 'retries' | 'idleMs' | 'retryMs'> {
  readonly onProgress?: (progress: FetchProgress) => void
}

/** Fetches a file from the first of its addresses that works; an address that fails is followed by the next. */
async function fetchOne(from: OfficialDownload, folder: string, options: FetchOptions): Promise<string> {
  const file = join(folder, from.name)
  const { onProgress, ...rest } = options
  const { bytes, md5, sha256 } = from
  let failure: unknown
  for (const url of from.urls) {
    try {
      await download(url, file, {
        ...rest,
        bytes,
        ...(md5 === undefined ? {} : { md5 }),
        ...(sha256 === undefined ? {} : { sha256 }),
        ...(onProgress && { onProgress: (progress) => onProgress({ ...progress, file: from.name }) }),
      })
      return file
    } catch (error) {
      if (error instanceof AdytonError && error.code === 'cancelled') throw error
      failure = error
    }
  }
  throw failure
}

/**
 * Downloads an official data set into `parent` and gives the path for `openDataset`: the archive, or a folder of the
 * set's own for its files.
 * @throws AdytonError as download
 */
export async function fetchOfficial(
  id: OfficialDataset['id'],
  parent: string,
  options: FetchOptions = {},
): Promise<string> {
  const official = OFFICIAL.find((set) => set.id === id)
  if (official === undefined) {
    throw new AdytonError('usage', `${id}: possible are ${OFFICIAL.map((set) => set.id).join(', ')}`)
  }
  return fetchDataset(official, parent, options)
}

/** {@link fetchOfficial} for a set that is described otherwise, such as one on another server. */
export async function fetchDataset(
  set: Pick<OfficialDataset, 'id' | 'title' | 'downloads'>,
  parent: string,
  options: FetchOptions = {},
): Promise<string> {
  const single = set.downloads.length === 1 && ARCHIVES.some(({ name }) => name === set.downloads[0].name)
  const folder = single ? parent : join(parent, set.id)
  await mkdir(folder, { recursive: true })
  let path = folder
  for (const file of set.downloads) path = await fetchOne(file, folder, options)
  return single ? path : folder
}
