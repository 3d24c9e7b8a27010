/**
 * The installed app as far as it can be made without Electron: what is staged runs by itself, and electron-builder packs
 * exactly that, with its fuses, around a stand-in for Electron's program.
 */
import { spawn } from 'node:child_process'
import { existsSync, readdirSync, statSync } from 'node:fs'
import { cp, mkdir, readFile, writeFile } from 'node:fs/promises'
import { join, matchesGlob, relative } from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import { readConfiguration } from '../../electron/packaging/configuration.ts'
import { filesOf, neededPackages } from '../../electron/packaging/packages.ts'
import { contents, contentsTable } from '../../electron/packaging/report.ts'
import { sourceDate } from '../../electron/packaging/source-date.ts'
import { stagePackage } from '../../electron/packaging/stage.ts'
import { finish, ROOT, type Finished } from '../fixtures/command.ts'
import { asarPackage, FUSES, makeDistribution, readFuses } from '../fixtures/electron/distribution.ts'
import { temporaryFolder } from '../fixtures/zoo.ts'

const CONFIGURATION = join(ROOT, 'electron-builder.yml')
const DATE = new Date('2026-01-02T03:04:06Z')

/** Every file below a folder, with slashes. */
function filesBelow(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)).replaceAll('\\', '/'))
    .sort()
}

function run(folder: string, args: readonly string[]): Promise<Finished> {
  const child = spawn(process.execPath, ['--no-strip-types', ...args], {
    cwd: folder,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  return finish(child)
}

let folder: string

beforeAll(async () => {
  if (!existsSync(join(ROOT, 'build', 'renderer', 'index.html'))) throw new Error('run npm run setup first')
  folder = (await stagePackage(ROOT, process, DATE)).folder
}, 120_000)

describe('the configuration', () => {
  test.each(['electron-builder.yml', 'electron-builder.test.yml'])('%s is one that the builder takes', async (name) => {
    const configuration = await readConfiguration(ROOT, join(ROOT, name))
    expect(configuration).toMatchObject({ npmRebuild: false, asar: { smartUnpack: false }, publish: null })
    await expect(readConfiguration(ROOT, join(ROOT, 'package.json'))).rejects.toThrow()
  })

  test('closes what would make the app an ordinary Node; the test build can be driven', async () => {
    const fuses = async (name: string) => (await readConfiguration(ROOT, join(ROOT, name))).electronFuses
    const closed = {
      ...{ runAsNode: false, enableNodeOptionsEnvironmentVariable: false, enableNodeCliInspectArguments: false },
      ...{ enableEmbeddedAsarIntegrityValidation: true, onlyLoadAppFromAsar: true, enableCookieEncryption: true },
      ...{ grantFileProtocolExtraPrivileges: false, loadBrowserProcessSpecificV8Snapshot: false },
    }
    expect(await fuses('electron-builder.yml')).toEqual(closed)
    expect(await fuses('electron-builder.test.yml')).toEqual({
      ...closed,
      ...{ enableNodeCliInspectArguments: true, enableNodeOptionsEnvironmentVariable: true },
    })
  })

  test('names nothing that is not there', async () => {
    const configuration = await readConfiguration(ROOT, CONFIGURATION)
    const { directories, asarUnpack, beforePack, linux, mac, win } = configuration as typeof configuration & {
      beforePack: string
      linux: { icon: string }
      mac: { icon: string; entitlements: string; entitlementsInherit: string }
      win: { icon: string }
    }
    const paths = [directories.app, directories.buildResources, beforePack, linux.icon, mac.icon, mac.entitlements]
    for (const path of [...paths, mac.entitlementsInherit, win.icon]) {
      expect([path, existsSync(join(ROOT, path))]).toEqual([path, true])
    }
    const staged = filesBelow(folder)
    for (const pattern of asarUnpack) {
      expect([pattern, staged.some((file) => matchesGlob(file, pattern))]).toEqual([pattern, true])
    }
    // What the system loads, and no archive can hold.
    const native = staged.filter((file) => /\.(node|so|dylib|dll)(\.\d+)*$/.test(file))
    expect(native.length).toBeGreaterThan(3)
    for (const file of native) {
      expect([file, asarUnpack.some((pattern) => matchesGlob(file, pattern))]).toEqual([file, true])
    }
  })
})

describe('what is staged', () => {
  test('is the program, and nothing that only builds or tests it', () => {
    const files = filesBelow(folder)
    expect(files).toEqual(
      expect.arrayContaining([
        ...['package.json', 'LICENSE', 'licences.txt', 'electron/main/main.js', 'build/electron/preload.cjs'],
        ...['build/renderer/index.html', 'core/api/worker/process.js', 'resources/models/digits/weights.safetensors'],
      ]),
    )
    const strange = files.filter((file) => /\.(ts|map|cc|cpp|gyp)$|(^|\/)(test|tests|docs)\//.test(file))
    expect(strange).toEqual([])
    expect(
      files.filter((file) => /^node_modules\/(electron|electron-builder|typescript|vite|vitest)\//.test(file)),
    ).toEqual([])
    expect(files.filter((file) => file.includes('tfjs-node-gpu'))).toEqual([])
    // Native code for this machine alone.
    const native = files.filter((file) => /\.(node|so|dylib|dll)(\.\d+)*$/.test(file))
    const platforms = native.map((file) => /(darwin|win32|linuxmusl|linux)[-/](x64|arm64)/.exec(file)?.[0])
    const own = `${process.platform}-${process.arch}`
    expect(new Set(platforms.map((name) => name?.replace('/', '-') ?? own))).toEqual(new Set([own]))
  })

  test('is for both processors on macOS, for one elsewhere', () => {
    const files = (platform: NodeJS.Platform, arch: NodeJS.Architecture): string[] => {
      const target = { platform, arch }
      return neededPackages(ROOT, target)
        .filter(({ name }) => name === 'better-sqlite3')
        .flatMap((pack) => filesOf(pack, target))
        .filter((file) => file.endsWith('.node'))
    }
    const mac = ['prebuilds/darwin-arm64.node', 'prebuilds/darwin-x64.node']
    expect(files('darwin', 'arm64')).toEqual(mac)
    expect(files('darwin', 'x64')).toEqual(mac)
    expect(files('win32', 'x64')).toEqual(['prebuilds/win32-x64.node'])
    expect(files('linux', 'arm64')).toEqual(['prebuilds/linux-arm64.node'])
  })

  test('bears one date, and the licence of every package', async () => {
    for (const file of filesBelow(folder)) {
      expect([file, statSync(join(folder, file)).mtimeMs]).toEqual([file, DATE.getTime()])
    }
    const text = await readFile(join(folder, 'licences.txt'), 'utf8')
    const packages = filesBelow(folder).filter((file) => /^node_modules\/(@[^/]+\/)?[^/]+\/package\.json$/.test(file))
    expect(packages.length).toBeGreaterThan(50)
    for (const file of packages) {
      const { name, version } = JSON.parse(await readFile(join(folder, file), 'utf8')) as Record<string, string>
      expect(text).toContain(`${name} ${version}: `)
    }
  })

  test('runs by itself: a private inference, pictures, the training engine, ONNX', async () => {
    await using elsewhere = await temporaryFolder()
    const app = join(elsewhere.dir, 'app')
    const data = join(elsewhere.dir, 'data')
    await cp(folder, app, { recursive: true })
    const cli = join(app, 'core', 'cli', 'main.js')
    const sample = join(app, 'resources', 'samples', 'seven.png')
    const inferred = await run(app, [
      cli,
      ...`infer --model digits --input ${sample} --threads 1 --no-record --json`.split(' '),
    ])
    expect([inferred.code, inferred.stderr.match(/Error.*/)?.[0]]).toEqual([0, undefined])
    expect((JSON.parse(inferred.stdout) as { predictions: unknown[] }).predictions[0]).toMatchObject({
      label: 7,
      clear: 7,
    })

    const program = join(app, 'program.mjs')
    await writeFile(
      program,
      `import { operations } from './core/api/index.js'
      import 'onnxruntime-node'
      import 'electron-updater'
      import './core/formats/import/index.js'
      const { engines } = await operations.engines.run({ data: '${data}' }, {
        onProgress() {}, onNotice() {}, signal: new AbortController().signal })
      console.log(engines.find(({ state }) => state === 'runs').name)
    `,
    )
    const ran = await run(app, [program])
    expect([ran.code, ran.stdout.trim(), ran.stderr]).toEqual([0, 'wasm', ''])
  }, 240_000)

  test('begins as Electron would begin it: window, pages, preload script and processes are where it looks', async () => {
    await using elsewhere = await temporaryFolder()
    const app = join(elsewhere.dir, 'app')
    await cp(folder, app, { recursive: true })
    const stub = join(app, 'node_modules', 'electron')
    await mkdir(stub)
    await writeFile(join(stub, 'package.json'), '{ "name": "electron", "type": "module", "exports": "./index.js" }')
    const names = /import \{([^}]+)\} from 'electron'/.exec(
      await readFile(join(app, 'electron/main/main.js'), 'utf8'),
    )?.[1]
    const fake = join(ROOT, 'test', 'fixtures', 'electron', 'electron.ts')
    await writeFile(
      join(stub, 'index.js'),
      `import { FakeElectron } from ${JSON.stringify(fake)}
      export const fake = new FakeElectron()
      export const {${names}} = fake.api`,
    )
    const program = join(app, 'begin.mjs')
    await writeFile(
      program,
      `import { existsSync } from 'node:fs'
      import { fake } from 'electron'
      import { FakeUtilityProcess } from ${JSON.stringify(join(ROOT, 'test/fixtures/electron/utility.ts'))}
      await import('./electron/main/main.js')
      fake.app.becomeReady()
      while (fake.windows[0]?.visible !== true) await new Promise((resolve) => setTimeout(resolve, 20))
      const { options, webContents, page } = fake.window
      const models = await page.ask({ type: 'call', operation: 'models', input: {} })
      console.log(JSON.stringify({
        status: webContents.response.status,
        page: await webContents.response.text(),
        preload: existsSync(options.webPreferences.preload),
        icon: existsSync(options.icon),
        models: models.length,
        process: FakeUtilityProcess.all[0].entry,
      }))
      fake.app.once('quit', () => process.exit(0))
      fake.app.quit()`,
    )
    const child = spawn(process.execPath, [program], {
      ...{ cwd: app, stdio: ['ignore', 'pipe', 'pipe'] },
      env: { ...process.env, ADYTON_DATA: join(elsewhere.dir, 'data') },
    })
    const { code, stdout, stderr } = await finish(child)
    expect([code, stderr]).toEqual([0, ''])
    expect(JSON.parse(stdout)).toEqual({
      ...{ status: 200, preload: true, icon: true, models: expect.any(Number) as number },
      page: await readFile(join(ROOT, 'build/renderer/index.html'), 'utf8'),
      process: join(app, 'core/api/worker/process.js'),
    })
  }, 120_000)

  test('is listed part by part with its size, what is unpacked apart', async () => {
    const { asarUnpack } = await readConfiguration(ROOT, CONFIGURATION)
    const parts = contents(folder, asarUnpack)
    const total = filesBelow(folder).reduce((sum, file) => sum + statSync(join(folder, file)).size, 0)
    const last = parts.at(-1)
    expect(last).toMatchObject({ name: 'total', files: filesBelow(folder).length })
    expect((last?.packed ?? 0) + (last?.unpacked ?? 0)).toBe(total)
    expect(parts.slice(0, -1).reduce((sum, { packed, unpacked }) => sum + packed + unpacked, 0)).toBe(total)
    expect(parts.map(({ name }) => name)).toEqual(
      expect.arrayContaining(['core', 'electron', 'build/renderer', 'node_modules/onnxruntime-node', 'small packages']),
    )
    expect(parts.find(({ name }) => name === 'core')?.unpacked).toBe(0)
    console.log(contentsTable(parts))
  })

  test('has the date of the sources', () => {
    expect(sourceDate(ROOT, { SOURCE_DATE_EPOCH: '86400' })).toEqual(new Date('1970-01-02T00:00:00Z'))
    expect(sourceDate(ROOT, {}).getTime()).toBeGreaterThan(Date.UTC(2000, 0, 1))
    expect(sourceDate('/', {})).toEqual(new Date('2000-01-01T00:00:00Z'))
  })
})

describe.skipIf(process.platform !== 'linux')('packing (on Linux)', () => {
  test('npm run dist packs what is staged, shuts the fuses, and leaves native code beside the archive', async () => {
    await using elsewhere = await temporaryFolder()
    const [electronDist, output] = [join(elsewhere.dir, 'electron'), join(elsewhere.dir, 'out')]
    await makeDistribution(electronDist)
    const given = ['--linux', 'dir', `-c.electronDist=${electronDist}`, `-c.directories.output=${output}`]
    const packed = await finish(
      spawn(process.execPath, [join(ROOT, 'electron/packaging/dist.ts'), ...given], {
        ...{ cwd: ROOT, stdio: ['ignore', 'pipe', 'pipe'] },
        env: { ...process.env, SOURCE_DATE_EPOCH: String(DATE.getTime() / 1000) },
      }),
    )
    expect([packed.code, packed.stderr.match(/Error.*/)?.[0]]).toEqual([0, undefined])
    expect(packed.stdout).toMatch(/total +\d+/)

    const program = join(output, 'linux-unpacked')
    const fuses = await readFuses(join(program, 'adyton'))
    const on = ['enableCookieEncryption', 'enableEmbeddedAsarIntegrityValidation', 'onlyLoadAppFromAsar']
    expect(fuses).toEqual(Object.fromEntries(FUSES.map((name) => [name, on.includes(name) ? '1' : '0'])))
    expect(readdirSync(join(program, 'locales')).toSorted()).toEqual(['en-GB.pak', 'en-US.pak'])

    const archive = join(program, 'resources', 'app.asar')
    const extracted = join(elsewhere.dir, 'extracted')
    asarPackage().extractAll(archive, extracted)
    expect(filesBelow(extracted)).toEqual(filesBelow(folder))
    const { asarUnpack } = await readConfiguration(ROOT, CONFIGURATION)
    const beside = filesBelow(`${archive}.unpacked`)
    expect(beside).toEqual(filesBelow(folder).filter((file) => asarUnpack.some((one) => matchesGlob(file, one))))
    const listed = await run(extracted, [join(extracted, 'core', 'cli', 'main.js'), 'models', '--json'])
    expect((JSON.parse(listed.stdout) as unknown[]).length).toBeGreaterThan(3)
  }, 240_000)
})
