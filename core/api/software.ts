/** Name and version of this program, as it greets its peers. */
import { readFileSync } from 'node:fs'

const manifest = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as { version: string }

export const VERSION = manifest.version
export const SOFTWARE = `adyton ${VERSION}`
