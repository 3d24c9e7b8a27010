/** What holds for the repository as a whole. */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { ESLint } from 'eslint'
import { afterAll, describe, expect, test } from 'vitest'
import { ERROR_CODES } from '../../core/errors/errors.ts'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const SKIPPED = new Set(['.git', 'node_modules', '.adyton', 'build', 'dist', 'coverage'])
const BINARY = /\.(safetensors|png|jpe?g|webp|gif|ico|gz|onnx|pb|bin|node|wasm|sqlite|icns)$/

/** Files of the repository as paths relative to it. A walk, because an unpacked archive has no git. */
function* files(folder = ''): Generator<string> {
  for (const entry of readdirSync(path.join(ROOT, folder), { withFileTypes: true })) {
    const name = path.posix.join(folder, entry.name)
    if (entry.isDirectory() && !SKIPPED.has(entry.name)) yield* files(name)
    else if (entry.isFile() && !/\.(node|log)$/.test(name)) yield name
  }
}

const ALL = [...files()]
const TEXT = ALL.filter((file) => !BINARY.test(file) && statSync(path.join(ROOT, file)).size < 4 << 20)
const read = (file: string) => readFileSync(path.join(ROOT, file), 'utf8')

/** Lines of text files that match, as `file:line`. */
function linesWith(pattern: RegExp): string[] {
  return TEXT.flatMap((file) =>
    read(file)
      .split('\n')
      .flatMap((line, index) => (pattern.test(line) ? [`${file}:${index + 1}`] : [])),
  )
}

describe('files', () => {
  test('the walk sees the repository', () => {
    expect(ALL).toEqual(expect.arrayContaining(['package.json', 'core/errors/errors.ts', '.ci/run', 'docs/errors.md']))
    expect(ALL.length).toBeGreaterThan(50)
  })

  test('name no path of one machine', () => {
    // Spelt so that this file does not match itself.
    const machine = new RegExp(`(^|[^\\w.~-])/(${['work', 'root', 'home', 'Users'].join('|')})/`)
    expect(machine.test(`cd ${'/work'}/main`)).toBe(true)
    expect(machine.test('../shared/work/main')).toBe(false)
    expect(linesWith(machine)).toEqual([])
  })

  test('hold no secrets', () => {
    const names =
      /(^|\/)(\.env(\..*)?|id_(rsa|ed25519|ecdsa)|\.netrc|\.npmrc\.local|credentials(\..*)?|.*\.(pem|key|p12|pfx|jks))$/
    expect(['a/.env', 'server.key', 'id_ed25519'].every((name) => names.test(name))).toBe(true)
    expect(ALL.filter((file) => names.test(file))).toEqual([])
    const contents = new RegExp(
      [
        `-----BEGIN ${'[A-Z ]*'}PRIVATE KEY`,
        '_auth(Token)?\\s*=',
        '\\bgh[pousr]_\\w{30,}',
        '\\bAKIA[0-9A-Z]{16}\\b',
      ].join('|'),
    )
    expect(contents.test(`-----BEGIN EC ${'PRIVATE'} KEY-----`)).toBe(true)
    expect(linesWith(contents)).toEqual([])
  })

  test('the CI script can be run and ends in the tests', () => {
    expect(statSync(path.join(ROOT, '.ci/run')).mode & 0o111).toBe(0o111)
    expect(read('.ci/run')).toMatch(/^set -euo pipefail$/m)
    expect(read('.ci/run')).toMatch(/npm test$/m)
  })

  test('the licence is the one that package.json names', () => {
    expect((JSON.parse(read('package.json')) as { license: string }).license).toBe('Apache-2.0')
    expect(read('LICENSE')).toMatch(/Apache License\s+Version 2\.0, January 2004/)
    expect(read('LICENSE')).toMatch(/END OF TERMS AND CONDITIONS/)
  })
})

describe('error codes', () => {
  const rows = [...read('docs/errors.md').matchAll(/^\| `([a-z-]+)` \| (.+) \| (.+) \|$/gm)]

  test('docs/errors.md explains every code, in order, and no others', () => {
    expect(rows.map(([, code]) => code)).toEqual([...ERROR_CODES])
    for (const [, code, happened, advice] of rows) {
      expect(happened.length, code).toBeGreaterThan(20)
      expect(advice.length, code).toBeGreaterThan(20)
    }
  })
})

// The first ESLint run parses the whole project: a loaded machine takes its time.
describe('the checks have teeth', { timeout: 240_000 }, () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'adyton-types-'))
  afterAll(() => rmSync(folder, { recursive: true, force: true }))

  /** Output of tsc with the repository's options on one file. */
  function typecheck(source: string): { status: number | null; output: string } {
    writeFileSync(path.join(folder, 'probe.mts'), source)
    const options = {
      extends: path.join(ROOT, 'tsconfig.json'),
      compilerOptions: { types: [] },
      include: ['probe.mts'],
    }
    writeFileSync(path.join(folder, 'tsconfig.json'), JSON.stringify(options))
    const tsc = path.join(ROOT, 'node_modules/typescript/bin/tsc')
    const result = spawnSync(process.execPath, [tsc, '--noEmit', '-p', folder], { encoding: 'utf8' })
    return { status: result.status, output: result.stdout + result.stderr }
  }

  test('tsc accepts a sound file', () => {
    expect(typecheck('export const bits: number = 59\n')).toEqual({ status: 0, output: '' })
  })

  test.each([
    ['a wrong type', "export const bits: number = 'many'\n", 'TS2322'],
    ['an implicit any', 'export const twice = (x) => 2 * x\n', 'TS7006'],
    ['an unchecked null', 'export const f = (x: string | null) => x.length\n', 'TS18047'],
    ['syntax that type stripping cannot run', 'export enum E { A }\n', 'TS1294'],
  ])('tsc refuses %s', (_, source, code) => {
    const { status, output } = typecheck(source)
    expect(status).not.toBe(0)
    expect(output).toContain(code)
  })

  test.each([
    ['core/errors/errors.ts', 'export const r = Math.random()\n', 'no-restricted-properties'],
    ['core/errors/errors.ts', 'export const w = window\n', 'no-restricted-globals'],
    ['core/errors/errors.ts', "import '../api/index.ts'\n", 'adyton/import-table'],
    ['core/errors/errors.ts', 'Promise.resolve(1)\n', '@typescript-eslint/no-floating-promises'],
    ['core/errors/errors.ts', 'export const x: any = 1\n', '@typescript-eslint/no-explicit-any'],
    ['core/errors/errors.ts', 'export const same = (a: string, b: string) => a == b\n', 'eqeqeq'],
    ['test/unit/repository.test.ts', 'Promise.resolve(1)\n', '@typescript-eslint/no-floating-promises'],
  ])('eslint refuses, in %s: %s', async (file, code, rule) => {
    const [{ messages }] = await new ESLint({ cwd: ROOT }).lintText(code, { filePath: path.join(ROOT, file) })
    expect(messages.map(({ ruleId }) => ruleId)).toContain(rule)
  })
})
