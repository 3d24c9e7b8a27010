/** The settings file of a data folder: settings.json, written whole or not at all. */
import { mkdir, readFile, rename } from 'node:fs/promises'
import { join } from 'node:path'
import * as v from 'valibot'
import { AdytonError } from '../errors/errors.ts'
import { changeSettings, readSettings, SettingsSchema, type Settings, type SettingsChange } from './data/settings.ts'
import { writeText } from './curation/setting.ts'
import { alone } from './lock.ts'

type Notice = (line: string) => void

const fileIn = (data: string): string => join(data, 'settings.json')

/** What is there; defaults for what is missing or cannot be read, with a notice. */
export async function loadSettings(data: string, onNotice: Notice): Promise<Settings> {
  const { settings, ignored } = readSettings((await readFrom(data, onNotice)) ?? {})
  if (ignored.length > 0) onNotice(`${fileIn(data)}: not understood and left out: ${ignored.join(', ')}`)
  return settings
}

/** The file's content; undefined where it is missing or is no JSON. */
async function readFrom(data: string, onNotice: Notice): Promise<unknown> {
  const path = fileIn(data)
  let text: string
  try {
    text = await readFile(path, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw new AdytonError('store-failed', `${path}: the settings cannot be read`, {
      advice: 'Check the permissions of the data folder.',
      cause: error,
    })
  }
  try {
    return JSON.parse(text)
  } catch {
    onNotice(`${path}: is damaged; the defaults are used. What was there is kept as settings.damaged.json.`)
    await rename(path, join(data, 'settings.damaged.json')).catch(() => undefined)
    return undefined
  }
}

let last: Promise<unknown> = Promise.resolve()

/** Changes the file. Changes wait for one another, those of other processes too. */
export async function saveSettings(data: string, change: SettingsChange, onNotice: Notice): Promise<Settings> {
  const next = last.then(() => writing(data, () => alone(`${fileIn(data)}.lock`, () => apply(data, change, onNotice))))
  last = next.catch(() => undefined)
  return await next
}

async function apply(data: string, change: SettingsChange, onNotice: Notice): Promise<Settings> {
  const settings = changeSettings(await loadSettings(data, onNotice), change)
  const checked = v.safeParse(SettingsSchema, settings)
  if (!checked.success) throw new AdytonError('usage', `settings: ${checked.issues[0].message}`)
  await writeText(fileIn(data), `${JSON.stringify(settings, undefined, 2)}\n`)
  return settings
}

async function writing<T>(data: string, write: () => Promise<T>): Promise<T> {
  try {
    await mkdir(data, { recursive: true })
    return await write()
  } catch (cause) {
    if (cause instanceof AdytonError) throw cause
    throw new AdytonError('store-failed', `${fileIn(data)}: the settings cannot be written`, {
      advice: 'Check that the data folder can be written and that the disk has room.',
      cause,
    })
  }
}
