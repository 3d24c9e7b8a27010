/** The type check sees inside components. */
import { spawnSync } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, test } from 'vitest'

const CHECK = fileURLToPath(new URL('../../node_modules/svelte-check/bin/svelte-check', import.meta.url))
const CONFIG = fileURLToPath(new URL('../../tsconfig.json', import.meta.url))
let folder = ''
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'adyton-check-'))
  const compilerOptions = { module: 'ESNext', moduleResolution: 'bundler', types: [] }
  await writeFile(join(folder, 'tsconfig.json'), JSON.stringify({ extends: CONFIG, compilerOptions, include: ['*'] }))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

async function check(value: string): Promise<{ status: number | null; output: string }> {
  await writeFile(join(folder, 'One.svelte'), `<script lang="ts">\n  const n: number = ${value}\n</script>\n\n{n}\n`)
  const args = [CHECK, '--workspace', folder, '--tsconfig', join(folder, 'tsconfig.json'), '--output', 'human']
  const { status, stdout } = spawnSync(process.execPath, args, { encoding: 'utf8' })
  return { status, output: stdout }
}

test('a type error in a component fails the check, and none passes', async () => {
  expect((await check("'text'")).status).not.toBe(0)
  expect((await check("'text'")).output).toContain("Type 'string' is not assignable to type 'number'")
  expect(await check('3')).toMatchObject({ status: 0 })
})
