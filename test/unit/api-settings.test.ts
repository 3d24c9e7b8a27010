/** Settings, folders to choose from, and what the program says about itself. */
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, mkdirSync, readdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { dirname, join } from 'node:path'
import * as v from 'valibot'
import { describe, expect, test } from 'vitest'
import { DEFAULT_SETTINGS, KERNEL_NAMES, readSettings } from '../../core/api/data/settings.ts'
import { operations } from '../../core/api/index.ts'
import { licences } from '../../core/api/licences.ts'
import { alone } from '../../core/api/lock.ts'
import type { Operation } from '../../core/api/operation.ts'
import { KERNEL_CHOICES, loadKernels } from '../../core/kernels/index.ts'
import { setsOf } from '../../core/kernels/addon.ts'
import { formatOwner, ownOwner } from '../../core/protocol/store/owner.ts'
import { packageFolder } from '../../core/setup/bundled-licences.mjs'
import { temporaryFolder } from '../fixtures/zoo.ts'

const CHILD = join(import.meta.dirname, '..', 'fixtures', 'settings-child.ts')
const notices: string[] = []
const context = {
  ...{ onProgress: () => undefined, signal: new AbortController().signal },
  onNotice: (line: string) => void notices.push(line),
}
const run = <O>(operation: Operation<v.GenericSchema, O>, input: unknown): Promise<O> =>
  operation.run(v.parse(operation.input, input), context)

describe('settings', () => {
  test('are the defaults at first, change in part, and outlive the process', async () => {
    await using folder = await temporaryFolder()
    const data = join(folder.dir, 'not-there-yet')
    const ask = (change?: unknown) => run(operations.settings, change === undefined ? { data } : { data, change })
    expect(await ask()).toEqual(DEFAULT_SETTINGS)
    await ask({ theme: 'dark', choices: { model: 'digits', images: 3 } })
    const second = await ask({ choices: { model: null, 'zoo.sort': 'relus' }, threads: { client: 2, server: null } })
    expect(second).toMatchObject({ theme: 'dark', threads: { client: 2, server: null } })
    expect(second.choices).toEqual({ images: 3, 'zoo.sort': 'relus' })
    expect(await ask()).toEqual(second)
    // Written beside and renamed, and nobody holds it: nothing else is left.
    expect(readdirSync(data)).toEqual(['settings.json', 'settings.json.lock'])
    expect(readdirSync(join(data, 'settings.json.lock'))).toEqual([])
  })

  test('many changes at once are all kept', async () => {
    await using folder = await temporaryFolder()
    const data = folder.dir
    const names = Array.from({ length: 20 }, (_, i) => `choice${i}`)
    await Promise.all(names.map((name) => run(operations.settings, { data, change: { choices: { [name]: true } } })))
    const { choices } = await run(operations.settings, { data })
    expect(Object.keys(choices).sort()).toEqual(names.sort())
  })

  test('changes of two processes at once are all kept, and one that died holds nothing up', async () => {
    await using folder = await temporaryFolder()
    const data = folder.dir
    const dead = spawnSync(process.execPath, ['-e', ''])
    mkdirSync(join(data, 'settings.json.lock'))
    const left = formatOwner({ ...ownOwner(), pid: dead.pid, start: '1' })
    writeFileSync(join(data, 'settings.json.lock', left), '')
    const changes = 12
    const ends = ['a', 'b'].map(async (name) => {
      const child = spawn(process.execPath, [CHILD, data, name, String(changes)], {
        stdio: ['pipe', 'pipe', 'inherit'],
      })
      await once(child.stdout, 'data')
      return { go: () => child.stdin.end(), ended: once(child, 'exit') }
    })
    const children = await Promise.all(ends)
    for (const { go } of children) go()
    for (const { ended } of children) expect(await ended).toEqual([0, null])
    const { choices } = await run(operations.settings, { data })
    const names = ['a', 'b'].flatMap((name) => Array.from({ length: changes }, (_, i) => `${name}${i}`))
    expect(Object.keys(choices).sort()).toEqual(names.sort())
    expect(readdirSync(join(data, 'settings.json.lock'))).toEqual([])
  })

  test('who waits too long for another process is told which', async () => {
    await using folder = await temporaryFolder()
    const other = formatOwner({ ...ownOwner(), machine: '00000000' })
    writeFileSync(join(folder.dir, other), '')
    const held = alone(folder.dir, () => Promise.resolve(), 1)
    await expect(held).rejects.toMatchObject({ code: 'store-failed', advice: expect.stringContaining(other) as string })
    expect(readdirSync(folder.dir)).toEqual([other])
  })

  test('what is no setting is refused', () => {
    for (const change of [
      { theme: 'pink' },
      { threads: { client: 0, server: 1 } },
      { link: { up: 0, down: 1e6, rttMs: 1 } },
      { unknown: 1 },
      { choices: { long: 'x'.repeat(20_000) } },
    ]) {
      expect(v.safeParse(operations.settings.input, { change }).success).toBe(false)
    }
  })

  test('a file of another release loses only what is not understood', () => {
    const { settings, ignored } = readSettings({ theme: 'dark', kernels: 'quantum', future: { a: 1 } })
    expect(settings).toEqual({ ...DEFAULT_SETTINGS, theme: 'dark' })
    expect(ignored).toEqual(['kernels', 'future'])
    for (const odd of [null, 7, 'text', [1]]) expect(readSettings(odd).settings).toEqual(DEFAULT_SETTINGS)
  })

  test('a damaged file is kept aside, with a notice', async () => {
    await using folder = await temporaryFolder()
    const data = folder.dir
    writeFileSync(join(data, 'settings.json'), '{"theme": "da')
    notices.length = 0
    expect(await run(operations.settings, { data })).toEqual(DEFAULT_SETTINGS)
    expect(notices.join()).toContain('damaged')
    expect(readFileSync(join(data, 'settings.damaged.json'), 'utf8')).toBe('{"theme": "da')
  })

  test('name the kernels that there are', () => expect(KERNEL_NAMES).toEqual(KERNEL_CHOICES))
})

describe('browsing', () => {
  test('folders come first, names sort as people sort, and dots are hidden unless asked for', async () => {
    await using folder = await temporaryFolder()
    const { dir } = folder
    const data = join(dir, 'data')
    for (const name of ['b', 'A', 'data', '.config']) mkdirSync(join(dir, name))
    for (const name of ['img10.png', 'img2.png', '.secret']) writeFileSync(join(dir, name), name)
    symlinkSync(join(dir, 'gone'), join(dir, 'broken'))
    symlinkSync(join(dir, 'b'), join(dir, 'c-link'))
    await run(operations.settings, { data, change: { datasets: [join(dir, 'b'), join(dir, 'no-more')] } })
    const found = await run(operations.browse, { path: dir, data })
    expect(found.entries.map(({ name, type }) => [name, type])).toEqual([
      ['A', 'folder'],
      ['b', 'folder'],
      ['c-link', 'folder'],
      ['data', 'folder'],
      ['img2.png', 'file'],
      ['img10.png', 'file'],
    ])
    const last = found.entries[5]
    expect(last).toMatchObject({ path: join(dir, 'img10.png'), size: 9 })
    expect(last.modified).toBe(Math.round(statSync(last.path).mtimeMs))
    expect(found.places.map(({ path }) => path)).toEqual([homedir(), data, join(dir, 'b')])
    expect((await run(operations.browse, { path: join(dir, 'b'), data })).parent).toBe(dir)
    const all = await run(operations.browse, { path: dir, hidden: true, data })
    expect(all.entries.map(({ name }) => name)).toEqual(expect.arrayContaining(['.config', '.secret']))
    expect((await run(operations.browse, { path: '/', data })).parent).toBeNull()
  })

  test('what cannot be listed is said in words', async () => {
    await using folder = await temporaryFolder()
    const { dir } = folder
    const fails = async (path: string, words: string): Promise<void> => {
      await expect(run(operations.browse, { path, data: dir })).rejects.toMatchObject({
        code: 'file-not-found',
        message: `${path}: ${words}`,
      })
    }
    await fails(join(dir, 'none'), 'there is no such folder')
    writeFileSync(join(dir, 'file'), '')
    await fails(join(dir, 'file'), 'is a file, not a folder')
    mkdirSync(join(dir, 'shut'))
    chmodSync(join(dir, 'shut'), 0)
    // The administrator may look into everything.
    if (process.getuid?.() !== 0) await fails(join(dir, 'shut'), 'this account may not look into it')
  })
})

describe('about', () => {
  test('states this machine, and a licence for every package that the program needs', async () => {
    await using folder = await temporaryFolder()
    const found = await run(operations.about, { data: folder.dir })
    const manifest = JSON.parse(readFileSync('package.json', 'utf8')) as {
      version: string
      dependencies: Record<string, string>
    }
    expect(found).toMatchObject({ version: manifest.version, node: process.versions.node, data: folder.dir })
    expect(found.kernels.inUse).toBe(loadKernels().name)
    const forced = (process.env['ADYTON_KERNELS'] ?? '') !== ''
    const fastest = setsOf(process.arch).every((set) => found.kernels.available.includes(`native:${set}`))
    expect(found.kernels.whyNotFaster === null).toBe(fastest && !forced)
    for (const [name, version] of Object.entries(manifest.dependencies)) {
      expect(found.licences).toContainEqual(expect.objectContaining({ name, version }))
    }
    for (const { name, licence } of found.licences) expect([name, licence]).not.toContain(null)
    const { text } = await run(operations.licenceText, { name: 'valibot', version: manifest.dependencies['valibot'] })
    expect(text).toContain('Permission is hereby granted')
  })

  test('packages that the windows are built from, with their licences, are listed too', async () => {
    const root = join(import.meta.dirname, '..', '..')
    // Everything that is imported by name, but for types, from where the windows begin.
    const imported = new Set<string>()
    const seen = new Set<string>()
    const visit = (file: string): void => {
      if (seen.has(file) || !/\.(svelte|ts)$/.test(file)) return
      seen.add(file)
      const imports = /^\s*(?:import|export) (?!type\b)(?:[^'";]*from )?'([^']+)'|\bimport\('([^']+)'\)/gm
      for (const [, fixed, lazy] of readFileSync(file, 'utf8').matchAll(imports)) {
        const from = fixed ?? lazy
        if (from.startsWith('.')) visit(join(dirname(file), from))
        else imported.add(/^(@[^/]+\/)?[^/]+/.exec(from)?.[0] ?? from)
      }
    }
    visit(join(root, 'renderer', 'main.ts'))
    expect([...imported]).toEqual(expect.arrayContaining(['svelte', 'bits-ui', 'layercake']))
    const found = await licences()
    for (const name of imported) {
      const { version } = JSON.parse(readFileSync(join(root, 'node_modules', name, 'package.json'), 'utf8')) as {
        version: string
      }
      const one = found.find((licence) => licence.name === name && licence.version === version)
      expect([name, one?.licence]).toEqual([name, expect.any(String)])
      for (const file of one?.files ?? []) expect(readFileSync(file, 'utf8').length).toBeGreaterThan(100)
    }
    // What they need in turn.
    expect(found.map(({ name }) => name)).toEqual(expect.arrayContaining(['@floating-ui/dom', 'd3-array']))
  })

  test('the build of the windows names the package of every module', () => {
    for (const [id, folder] of [
      ['/a/node_modules/d3-scale/src/index.js', '/a/node_modules/d3-scale'],
      ['/a/node_modules/@x/y/node_modules/z/i.css?inline&lang.css', '/a/node_modules/@x/y/node_modules/z'],
      ['\0C:\\a\\node_modules\\@x\\y\\i.js', 'C:/a/node_modules/@x/y'],
      ['/a/renderer/main.ts', undefined],
    ] as const) {
      expect(packageFolder(id)).toBe(folder)
    }
  })

  test('packages are found as Node finds them: the nearest version, and each version once', async () => {
    await using folder = await temporaryFolder()
    const put = (path: string, manifest: Record<string, unknown>, licence?: string): void => {
      mkdirSync(join(folder.dir, path), { recursive: true })
      writeFileSync(join(folder.dir, path, 'package.json'), JSON.stringify(manifest))
      if (licence !== undefined) writeFileSync(join(folder.dir, path, 'LICENSE.md'), licence)
    }
    put('.', { name: 'app', version: '1', dependencies: { a: '1', b: '1' }, devDependencies: { tool: '1' } })
    put('node_modules/a', { name: 'a', version: '1.0.0', license: 'MIT', dependencies: { c: '2' } }, 'MIT text')
    put('node_modules/a/node_modules/c', { name: 'c', version: '2.0.0', license: 'ISC' })
    put('node_modules/b', { name: 'b', version: '1.0.0', optionalDependencies: { c: '1', 'not-here': '1' } })
    put('node_modules/c', { name: 'c', version: '1.0.0', dependencies: { a: '1' } })
    put('node_modules/tool', { name: 'tool', version: '1.0.0' })
    const found = await licences(folder.dir)
    expect(found.map(({ name, version, licence }) => `${name} ${version} ${licence}`)).toEqual([
      'a 1.0.0 MIT',
      'app 1 null',
      'b 1.0.0 null',
      'c 1.0.0 null',
      'c 2.0.0 ISC',
    ])
    expect(found[0].files).toEqual([join(folder.dir, 'node_modules/a/LICENSE.md')])
  })
})
