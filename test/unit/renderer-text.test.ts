/** Every text of the windows is used: a key that nothing names, nor reaches through a variable, is left over. */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'

const RENDERER = join(import.meta.dirname, '..', '..', 'renderer')
const files = readdirSync(RENDERER, { recursive: true, encoding: 'utf8' })
  .filter((name) => /\.(svelte|ts)$/.test(name))
  .map((name) => ({ name, source: readFileSync(join(RENDERER, name), 'utf8') }))
const folders = readdirSync(RENDERER).filter((name) => existsSync(join(RENDERER, name, 'text.ts')))

/** Paths of the keys that no source names; `parent[…]` reaches all keys of a parent. */
function unused(texts: object, source: string, path: readonly string[] = []): string[] {
  const parent = path.at(-1)
  const reached = parent !== undefined && new RegExp(String.raw`\b${parent}(\?\.)?\[`).test(source)
  return Object.entries(texts).flatMap(([key, value]) => {
    const named = reached || new RegExp(String.raw`\.${key}\b|['"]${key}['"]|\b${key}\s*[,}]`).test(source)
    const inner = typeof value === 'object' && value !== null && !Array.isArray(value)
    const below = inner ? unused(value as object, source, [...path, key]) : []
    return named ? below : [[...path, key].join('.'), ...below]
  })
}

test.each(folders)('%s', async (folder) => {
  const { text } = (await import(join(RENDERER, folder, 'text.ts'))) as { text: object }
  const users = files.filter(
    ({ name, source }) =>
      name !== join(folder, 'text.ts') && (name.startsWith(join(folder, '/')) || source.includes(`${folder}/text.ts`)),
  )
  const source = users.map((file) => file.source).join('\n')
  expect(unused(text, source)).toEqual([])
  // It would find one.
  expect(unused({ ...text, leftOver: '' }, source)).toEqual(['leftOver'])
})
