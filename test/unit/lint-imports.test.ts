import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { Linter } from 'eslint'
import tseslint from 'typescript-eslint'
import { describe, expect, test } from 'vitest'
import { importTable } from '../../.eslint/import-rule.ts'
import { ENTRY_POINTS, IMPORT_TABLE } from '../../.eslint/import-table.ts'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const linter = new Linter({ cwd: ROOT })
const config = [
  {
    files: ['**'],
    languageOptions: { parser: tseslint.parser },
    plugins: { adyton: { rules: { 'import-table': importTable } } },
    rules: { 'adyton/import-table': 'error' },
  },
] as Linter.Config[]

/** Messages of the rule for `code` as the content of `file`. */
function lint(file: string, code: string): string[] {
  const messages = linter.verify(code, config, path.join(ROOT, file))
  for (const { fatal, message } of messages) if (fatal) throw new Error(message)
  return messages.map(({ message }) => message)
}

const up = (file: string) => '../'.repeat(file.split('/').length - 1)
const value = (file: string, to: string) => lint(file, `import { a } from '${up(file)}${to}/a.ts'\na()`)
const type = (file: string, to: string) =>
  lint(file, `import type { A } from '${up(file)}${to}/a.ts'\nexport type B = A`)

interface Case {
  readonly from: string
  readonly may: string[]
  readonly mayNot: string[]
  /** Allowed as `import type` only. */
  readonly typesOnly?: string[]
}

/** Written out from the architecture's table, not computed from the rule's. */
const CASES: Case[] = [
  { from: 'core/setup/a.ts', may: ['core/setup'], mayNot: ['core/errors', 'core/ring', 'core/cli'] },
  { from: 'core/errors/a.ts', may: [], mayNot: ['core/ring', 'core/api'] },
  {
    from: 'core/ring/a.ts',
    may: ['core/errors', 'core/ring/deep'],
    mayNot: ['core/kernels', 'core/network', 'core/he'],
  },
  {
    from: 'core/kernels/reference/a.ts',
    may: ['core/ring', 'core/errors', 'core/kernels'],
    mayNot: ['core/ot', 'core/garble'],
  },
  {
    from: 'core/ot/a.ts',
    may: ['core/ring', 'core/kernels', 'core/errors'],
    mayNot: ['core/garble', 'core/channel', 'core/network'],
  },
  {
    from: 'core/garble/circuits/a.ts',
    may: ['core/ring', 'core/kernels'],
    mayNot: ['core/ot', 'core/protocol', 'core/network'],
  },
  {
    from: 'core/he/a.ts',
    may: ['core/ring', 'core/kernels'],
    mayNot: ['core/channel', 'core/ledger'],
    typesOnly: ['core/network'],
  },
  {
    from: 'core/channel/a.ts',
    may: ['core/errors', 'core/ring'],
    mayNot: ['core/ledger', 'core/protocol', 'core/network'],
  },
  { from: 'core/network/a.ts', may: ['core/ring', 'core/errors'], mayNot: ['core/kernels', 'core/he', 'core/formats'] },
  { from: 'core/ledger/a.ts', may: ['core/errors'], mayNot: ['core/channel', 'core/ring'] },
  {
    from: 'core/protocol/client/a.ts',
    may: [
      'core/ot',
      'core/garble',
      'core/he',
      'core/channel',
      'core/network',
      'core/ledger',
      'core/ring',
      'core/kernels',
    ],
    mayNot: ['core/datasets', 'core/formats', 'core/api', 'core/cli', 'electron'],
  },
  {
    from: 'core/architectures/a.ts',
    may: ['core/network', 'core/errors'],
    mayNot: ['core/datasets', 'core/training', 'core/protocol'],
  },
  { from: 'core/datasets/a.ts', may: ['core/network', 'core/architectures'], mayNot: ['core/training', 'core/zoo'] },
  {
    from: 'core/training/a.ts',
    may: ['core/network', 'core/datasets', 'core/architectures'],
    mayNot: ['core/linearize', 'core/formats', 'core/he'],
  },
  {
    from: 'core/linearize/a.ts',
    may: ['core/training', 'core/datasets'],
    mayNot: ['core/search', 'core/formats', 'core/jobs'],
  },
  { from: 'core/search/a.ts', may: ['core/linearize', 'core/training'], mayNot: ['core/formats', 'core/api'] },
  { from: 'core/formats/a.ts', may: ['core/network', 'core/search'], mayNot: ['core/zoo', 'core/protocol'] },
  {
    from: 'core/zoo/a.ts',
    may: ['core/formats', 'core/protocol', 'core/ring'],
    mayNot: ['core/jobs', 'core/api', 'core/cli'],
  },
  { from: 'core/jobs/a.ts', may: ['core/zoo', 'core/training'], mayNot: ['core/api', 'core/cli', 'renderer'] },
  {
    from: 'core/api/a.ts',
    may: ['core/jobs', 'core/zoo', 'core/protocol', 'core/api/data'],
    mayNot: ['core/cli', 'electron', 'renderer'],
  },
  { from: 'core/api/data/a.ts', may: ['core/errors'], mayNot: ['core/api', 'core/zoo'], typesOnly: ['core/network'] },
  { from: 'core/bridge/a.ts', may: ['core/api', 'core/api/data'], mayNot: ['core/cli', 'electron/main', 'renderer'] },
  {
    from: 'core/cli/a.ts',
    may: ['core/api', 'core/formats', 'core/bridge'],
    mayNot: ['core/setup', 'electron/main', 'renderer'],
  },
  { from: 'electron/ipc/a.ts', may: [], mayNot: ['core/api', 'electron/main', 'renderer'] },
  {
    from: 'electron/preload/a.ts',
    may: ['electron/ipc'],
    mayNot: ['core/zoo', 'electron/main', 'renderer', 'core/errors'],
    typesOnly: ['core/api'],
  },
  {
    from: 'electron/packaging/a.ts',
    may: ['core/setup', 'core/api'],
    mayNot: ['electron/main', 'core/cli', 'renderer'],
  },
  {
    from: 'electron/main/a.ts',
    may: ['core/api', 'core/jobs', 'electron/ipc'],
    mayNot: ['renderer', 'renderer/app', 'electron/packaging', 'core/setup'],
    typesOnly: ['electron/preload'],
  },
  {
    from: 'renderer/app/a.ts',
    may: ['core/api/data', 'renderer/ui'],
    mayNot: ['electron/main', 'core/protocol', 'core/zoo'],
    typesOnly: ['core/api'],
  },
]

describe('import table', () => {
  test('has cases for every row', () => {
    const covered = CASES.map(({ from }) => Object.keys(IMPORT_TABLE).filter((folder) => from.startsWith(`${folder}/`)))
    const longest = covered.map((folders) => folders.sort((a, b) => b.length - a.length)[0])
    expect([...longest].sort()).toEqual(Object.keys(IMPORT_TABLE).sort())
  })

  test.each(CASES)('$from', ({ from, may, mayNot, typesOnly = [] }) => {
    for (const to of may) expect([to, value(from, to), type(from, to)]).toEqual([to, [], []])
    for (const to of mayNot) {
      expect([to, value(from, to).length, type(from, to).length]).toEqual([to, 1, 1])
    }
    for (const to of typesOnly) expect([to, value(from, to).length, type(from, to)]).toEqual([to, 1, []])
  })

  test('points upwards only, so that no two folders import one another', () => {
    const folders = Object.keys(IMPORT_TABLE)
    for (const [folder, { values, types = [] }] of Object.entries(IMPORT_TABLE)) {
      for (const to of [...values, ...types]) {
        expect(folders.indexOf(to), `${folder} -> ${to}`).toBeGreaterThanOrEqual(0)
        expect(folders.indexOf(to), `${folder} -> ${to}`).toBeLessThan(folders.indexOf(folder))
      }
    }
  })
})

describe('outside packages', () => {
  const bare = (file: string, name: string) => lint(file, `import { a } from '${name}'\na()`).length

  test.each([
    ['core/ring/a.ts', 'electron'],
    ['core/api/a.ts', 'svelte'],
    ['core/cli/a.ts', 'svelte/store'],
    ['core/api/data/a.ts', 'node:fs'],
    ['renderer/app/a.ts', 'node:fs'],
    ['renderer/app/a.ts', 'fs/promises'],
    ['renderer/app/a.ts', 'better-sqlite3'],
    ['renderer/app/a.ts', 'electron'],
    ['electron/preload/a.ts', 'node:fs'],
    ['electron/main/a.ts', 'svelte'],
  ])('%s must not import %s', (file, name) => expect(bare(file, name)).toBe(1))

  test.each([
    ['core/zoo/a.ts', 'better-sqlite3'],
    ['core/ring/a.ts', 'node:crypto'],
    ['core/cli/a.ts', 'electron-to-chromium'],
    ['renderer/app/a.ts', 'svelte'],
    ['electron/preload/a.ts', 'electron'],
    ['electron/main/a.ts', 'node:path'],
  ])('%s may import %s', (file, name) => expect(bare(file, name)).toBe(0))
})

describe('ways to import', () => {
  const file = 'core/ring/a.ts'
  test.each([
    "export { a } from '../he/a.ts'",
    "export * from '../he/a.ts'",
    "export type { A } from '../he/a.ts'",
    "import '../he/a.ts'",
    "await import('../he/a.ts')",
    "type A = import('../he/a.ts').A",
    "import a = require('../he/a.ts')",
    "const a = require('../he/a.ts')",
    "new Worker(new URL('../he/worker.ts', import.meta.url))",
    "await import('../' + 'he/a.ts')",
    "import { a } from './../ring/../he/a.ts'",
    "import { a } from '../unlisted/a.ts'",
    "import { a } from '/tmp/a.ts'",
    "import { a } from '../../../elsewhere/a.ts'",
  ])('is seen in %s', (code) => expect(lint(file, code)).toHaveLength(1))

  test('a type-only exception does not cover inline types, which leave an import behind', () => {
    expect(lint('core/he/a.ts', "import { type Plan } from '../network/plan.ts'")).toHaveLength(1)
    expect(lint('core/he/a.ts', "export type { Plan } from '../network/plan.ts'")).toHaveLength(0)
    expect(lint('core/he/a.ts', "type Plan = import('../network/plan.ts').Plan")).toHaveLength(0)
  })

  test('the message names both folders', () => {
    expect(lint(file, "import '../he/a.ts'")[0]).toMatch(/core\/ring must not import core\/he/)
  })

  test('data files beside the code are not modules', () => {
    expect(lint('core/cli/a.ts', "new URL('../../resources/models/digits', import.meta.url)")).toEqual([])
    expect(lint('core/cli/a.ts', "import pkg from '../../package.json' with { type: 'json' }\npkg()")).toEqual([])
  })

  test('a new folder must be entered in the table', () => {
    expect(lint('core/unheard/a.ts', "import '../ring/a.ts'")[0]).toMatch(/no folder of the import table/)
  })

  test('tests and configuration may import anything', () => {
    expect(lint('test/unit/a.ts', "import '../../core/he/a.ts'")).toEqual([])
    expect(lint('vitest.config.ts', "import './core/he/a.ts'")).toEqual([])
  })

  test('entry points may import what they wire together; their neighbours may not', () => {
    for (const [entry, folders] of Object.entries(ENTRY_POINTS)) {
      for (const folder of folders) {
        expect(value(entry, folder)).toEqual([])
        expect(value(`${path.posix.dirname(entry)}/other.ts`, folder)).toHaveLength(1)
      }
    }
  })
})
