/** The platform of an ordinary browser: files are uploaded to and downloaded from the bridge. */
import * as v from 'valibot'
import { KEY_HEADER } from '../../core/api/data/bridge.ts'
import { HostError } from './failure.ts'
import { pageKey } from './page-key.ts'
import type { Platform } from './platform.ts'

const UploadedSchema = v.object({ path: v.string(), folder: v.optional(v.string()) })
const SlotSchema = v.object({ path: v.string(), url: v.string() })
const FailureSchema = v.object({
  error: v.object({ code: v.string(), message: v.string(), advice: v.nullable(v.string()) }),
})

async function post(path: string, body?: Blob): Promise<unknown> {
  const headers = { [KEY_HEADER]: pageKey }
  const response = await fetch(path, { method: 'POST', headers, ...(body === undefined ? {} : { body }) })
  const answer: unknown = await response.json().catch(() => null)
  if (response.ok) return answer
  const failure = v.safeParse(FailureSchema, answer)
  const message = `the program answered ${response.status} ${response.statusText}`
  throw new HostError(failure.success ? failure.output.error : { code: 'internal', message, advice: null })
}

async function upload(name: string, content: Blob, batch?: string): Promise<v.InferOutput<typeof UploadedSchema>> {
  const query = new URLSearchParams({ name, ...(batch === undefined ? {} : { batch }) })
  return v.parse(UploadedSchema, await post(`upload?${query}`, content))
}

function download(url: string, name: string): void {
  const link = document.createElement('a')
  link.href = url
  link.download = name
  document.body.append(link)
  link.click()
  link.remove()
}

const readEntries = (reader: FileSystemDirectoryReader): Promise<FileSystemEntry[]> =>
  new Promise((resolve, reject) => reader.readEntries(resolve, reject))
const fileOf = (entry: FileSystemFileEntry): Promise<File> =>
  new Promise((resolve, reject) => entry.file(resolve, reject))

async function* filesIn(folder: FileSystemDirectoryEntry): AsyncGenerator<FileSystemFileEntry> {
  const reader = folder.createReader()
  // A reader gives at most a hundred entries at a time.
  for (let entries = await readEntries(reader); entries.length > 0; entries = await readEntries(reader)) {
    for (const entry of entries) {
      if (entry.isDirectory) yield* filesIn(entry as FileSystemDirectoryEntry)
      else yield entry as FileSystemFileEntry
    }
  }
}

/** Uploads a folder whole and gives the path of the host's copy. */
async function uploadFolder(folder: FileSystemDirectoryEntry): Promise<string> {
  const batch = [...crypto.getRandomValues(new Uint8Array(8))]
    .map((byte) => byte.toString(16).padStart(2, '0'))
    .join('')
  let top: string | undefined
  for await (const entry of filesIn(folder)) {
    const name = entry.fullPath.replace(/^\//, '')
    top = (await upload(name, await fileOf(entry), batch)).folder
  }
  if (top === undefined) throw new HostError({ code: 'usage', message: `${folder.name} is empty`, advice: null })
  return top
}

function pick(extensions: readonly string[], multiple: boolean): Promise<readonly File[]> {
  return new Promise((resolve) => {
    const input = document.createElement('input')
    input.type = 'file'
    input.multiple = multiple
    input.accept = extensions.map((extension) => `.${extension}`).join(',')
    input.onchange = () => resolve([...(input.files ?? [])])
    input.oncancel = () => resolve([])
    input.click()
  })
}

export const browserPlatform: Platform = {
  kind: 'browser',
  async chooseFiles({ extensions, multiple = false }) {
    const paths: string[] = []
    for (const file of await pick(extensions, multiple)) paths.push((await upload(file.name, file)).path)
    return paths
  },
  chooseFolder: null,
  async takeDropped(transfer) {
    // The transfer is emptied when this task ends: entries first, uploads after.
    const entries = [...transfer.items].map((item) => item.webkitGetAsEntry()).filter((entry) => entry !== null)
    const paths: string[] = []
    for (const entry of entries) {
      if (entry.isDirectory) paths.push(await uploadFolder(entry as FileSystemDirectoryEntry))
      else paths.push((await upload(entry.name, await fileOf(entry as FileSystemFileEntry))).path)
    }
    return paths
  },
  putFile: async (name, content) => (await upload(name, content)).path,
  async save(name, write) {
    const slot = v.parse(SlotSchema, await post(`download-slot?${new URLSearchParams({ name })}`))
    await write(slot.path)
    download(slot.url, name)
    return true
  },
  async saveBlob(name, content) {
    const url = URL.createObjectURL(content)
    download(url, name)
    setTimeout(() => URL.revokeObjectURL(url), 60_000)
    return true
  },
  openExternal: (url) => void window.open(url, '_blank', 'noopener'),
  notify(title, body) {
    // Never asked for unasked: a browser that has not allowed it shows the toast alone.
    if ('Notification' in window && Notification.permission === 'granted' && document.hidden)
      new Notification(title, { body })
  },
}
