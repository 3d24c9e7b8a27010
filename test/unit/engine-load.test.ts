import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { ENGINE_NAMES, loadEngine, type Reason } from '../../core/training/engine/index.ts'
import { namedLibrary } from '../../core/training/engine/native/library.ts'
import { locateAddons } from '../../core/training/engine/native/locate.ts'
import { digest } from '../../core/training/engine/native/process.ts'
import { restoreUtil } from '../../core/training/engine/node-util.ts'

const root = path.resolve(import.meta.dirname, '../..')

describe('loadEngine', () => {
  it('gives the best that loads, and for each better one the reason', async () => {
    const reported: Reason[] = []
    const engine = await loadEngine({ report: (reason) => reported.push(reason) })
    expect(reported).toEqual(engine.reasons)
    expect(engine.reasons.map(({ backend }) => backend)).toEqual(
      ENGINE_NAMES.slice(0, ENGINE_NAMES.indexOf(engine.name)),
    )
    for (const { why } of engine.reasons) expect(why).not.toBe('')
    expect(engine.tf.getBackend()).toBe(engine.backend)
    engine.dispose()
  })

  it('gives the preferred one, again after it was disposed', async () => {
    for (const name of ['cpu', 'wasm', 'wasm', 'cpu'] as const) {
      const engine = await loadEngine({ prefer: name })
      expect(engine.name).toBe(name)
      expect(engine.reasons).toEqual([])
      expect([...engine.ops.relu(engine.tf.tensor1d([-1, 2])).dataSync()]).toEqual([0, 2])
      engine.dispose()
    }
  })

  it('refuses a number of threads that is none', async () => {
    await expect(loadEngine({ threads: 0 })).rejects.toMatchObject({ code: 'usage' })
    await expect(loadEngine({ threads: 1.5 })).rejects.toMatchObject({ code: 'usage' })
  })

  it('loads nothing of tfjs before it is called', () => {
    const program = `
      await import(${JSON.stringify(path.join(root, 'core/training/engine/index.ts'))})
      const { createRequire } = await import('node:module')
      const loaded = Object.keys(createRequire(${JSON.stringify(import.meta.filename)}).cache)
      process.exitCode = loaded.some((file) => file.includes('tensorflow')) || '_tfengine' in globalThis ? 1 : 0`
    expect(spawnSync(process.execPath, ['--input-type=module', '-e', program]).status).toBe(0)
  })
})

describe('restoreUtil', () => {
  it('puts back what newer Node removed and leaves the rest', () => {
    const util = createRequire(import.meta.url)('node:util') as Record<string, unknown>
    const { inspect } = util
    restoreUtil()
    const { isNullOrUndefined, isArray } = util as Record<string, (value: unknown) => boolean>
    expect([null, undefined, 0, ''].map(isNullOrUndefined)).toEqual([true, true, false, false])
    expect([[], {}].map(isArray)).toEqual([true, false])
    expect(util.inspect).toBe(inspect)
  })
})

describe('the native addon', () => {
  let folder: string
  beforeEach(() => {
    folder = mkdtempSync(path.join(tmpdir(), 'engine-'))
    process.env.ADYTON_ENGINE = folder
  })
  afterEach(() => {
    delete process.env.ADYTON_ENGINE
    rmSync(folder, { recursive: true })
  })
  const files = (...names: string[]): void => {
    for (const name of names) {
      mkdirSync(path.join(folder, path.dirname(name)), { recursive: true })
      writeFileSync(path.join(folder, name), '')
    }
  }

  it('is not there before it is built, and gone with its library', () => {
    const built = () => locateAddons().candidates.filter(({ addon }) => addon.startsWith(folder))
    expect(built()).toEqual([])
    expect(locateAddons().missing[0]).toContain('npm run engine:setup')
    files('tfjs_binding.node')
    const manifest = { tfjsNode: '4.22.0', library: path.join(folder, 'gone') }
    writeFileSync(path.join(folder, 'engine.json'), JSON.stringify(manifest))
    expect(built()).toEqual([])
    expect(locateAddons().missing[0]).toContain(manifest.library)
    mkdirSync(manifest.library)
    expect(built()).toHaveLength(1)
  })

  it('takes the C distribution, the Python package and its parent as a library', () => {
    files('c/lib/libtensorflow.so.2', 'c/lib/libtensorflow_framework.so.2', 'c/include/tensorflow/c/c_api.h')
    expect(namedLibrary(path.join(folder, 'c'))).toMatchObject({
      folder: path.join(folder, 'c/lib'),
      files: ['libtensorflow.so.2', 'libtensorflow_framework.so.2'],
    })
    files(
      'site/tensorflow/libtensorflow_cc.so.2',
      'site/tensorflow/libtensorflow_framework.so.2',
      'site/tensorflow/include/tensorflow/c/c_api.h',
    )
    for (const named of ['site', 'site/tensorflow']) {
      expect(namedLibrary(path.join(folder, named))).toMatchObject({
        folder: path.join(folder, 'site/tensorflow'),
        files: ['libtensorflow_cc.so.2', 'libtensorflow_framework.so.2'],
      })
    }
  })

  it('says what a named folder lacks', () => {
    expect(() => namedLibrary(path.join(folder, 'nowhere'))).toThrowError(/nowhere does not exist/)
    files('half/libtensorflow.so.2')
    expect(() => namedLibrary(path.join(folder, 'half'))).toThrowError(/c_api\.h/)
  })

  it('checks what was fetched against a digest', async () => {
    writeFileSync(path.join(folder, 'abc'), 'abc')
    // FIPS 180-2, appendix B.1.
    expect(await digest(path.join(folder, 'abc'), 'sha256', 'hex')).toBe(
      'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad',
    )
  })

  it('ends the set-up in words when the named library is no library', () => {
    const setup = path.join(root, 'core/training/engine/native/setup.ts')
    const { status, stderr } = spawnSync(process.execPath, [setup, '--library', folder], { encoding: 'utf8' })
    expect(status).toBe(1)
    expect(stderr).toContain('holds no TensorFlow library')
    expect(stderr).not.toContain('    at ')
  })
})
