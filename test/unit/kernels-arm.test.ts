/** The ARM code of the kernels under emulation, where the tools for it are; `npm run test:arm` runs all their tests. */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { findArmTools } from '../campaigns/arm/tools.ts'

const at = (name: string): string => fileURLToPath(new URL(`../../${name}`, import.meta.url))
const SOURCES = ['cpu.cc', 'set_portable.cc', 'set_armv8.cc', 'bits.cc']
/** Of the compiler on a busy machine. */
const PATIENCE_MS = 300_000
const tools = findArmTools()
const missing = typeof tools === 'string' ? `, skipped: ${tools}` : ''

describe.skipIf(missing !== '')(`on ARM${missing}`, () => {
  if (typeof tools === 'string') return
  const folder = mkdtempSync(path.join(tmpdir(), 'adyton-arm-test-'))
  const program = path.join(folder, 'kernels')

  beforeAll(() => {
    const native = at('core/kernels/native')
    const files = [...SOURCES.map((name) => path.join(native, name)), at('test/fixtures/arm-kernels.cc')]
    const flags = ['-std=c++17', '-O1', '-static', '-march=armv8-a+crypto', '-Dgetauxval=reported', `-I${native}`]
    const { status, stderr } = spawnSync(tools.compiler, [...flags, ...files, '-o', program], { encoding: 'utf8' })
    expect(stderr).toBe('')
    expect(status).toBe(0)
  }, PATIENCE_MS)
  afterAll(() => rmSync(folder, { recursive: true, force: true }))

  const run = (...args: string[]): string =>
    spawnSync(tools.emulator, [program, ...args], { encoding: 'utf8' }).stdout.trim()

  test('AES and NEON give the bytes of portable code', () => expect(run()).toBe('armv8\nequal'))
  test('a processor without AES instructions is seen', () => expect(run('hidden')).toBe('portable\nequal'))
})
