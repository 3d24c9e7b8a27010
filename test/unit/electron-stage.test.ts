/** The staged app: JavaScript that runs without a TypeScript in sight, and a preload script that the sandbox takes. */
import { existsSync, readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { runInNewContext } from 'node:vm'
import ts from 'typescript'
import { beforeAll, describe, expect, test } from 'vitest'
import { appSources, buildApp, toJavaScript } from '../../core/setup/build-app.mjs'
import { CHANNELS } from '../../electron/ipc/channels.ts'
import { finish, ROOT } from '../fixtures/command.ts'
import { spawn } from 'node:child_process'

const APP = join(ROOT, 'build', 'app')
const SEVEN = fileURLToPath(new URL('../../resources/samples/seven.png', import.meta.url))

describe('a staged file', () => {
  test('has no types, and leads to staged files', () => {
    const source = `
      import type { A } from './a.ts'
      import { b, type B } from '../b.ts'
      export * from './c.ts'
      export type { D } from './d.ts'
      const lazy = import('./e.ts')
      const worker = new URL('./worker.ts', import.meta.url)
      const data = new URL(
        "../data.json", import.meta.url)
      export const one = (a: A, ...rest: B[]): number => b(a, rest satisfies unknown) as number
    `
    const out = toJavaScript(ts, source)
    expect(out).not.toMatch(/\.ts['"]|\btype\b|satisfies|\/[ad]\.js/)
    for (const kept of ['../b.js', './c.js', './e.js', './worker.js', '../data.json']) expect(out).toContain(kept)
  })
})

describe('the staged app', () => {
  beforeAll(async () => void (await buildApp(ROOT)), 120_000)

  test('holds every source one to one, and nothing of TypeScript', () => {
    const staged = ['core', 'electron'].flatMap((folder) =>
      readdirSync(join(APP, folder), { recursive: true })
        .map((name) => `${folder}/${String(name)}`)
        .filter((name) => /\.\w+$/.test(name)),
    )
    expect(staged.toSorted()).toEqual(appSources(ROOT).map((file) => file.replace(/\.ts$/, '.js')))
    for (const file of staged) {
      const text = readFileSync(join(APP, file), 'utf8')
      expect([file, /(from|import\(|new URL\()\s*['"][^'"]*\.ts['"]/.exec(text)?.[0]]).toEqual([file, undefined])
    }
  })

  test('changes only what has changed', async () => {
    expect(await buildApp(ROOT)).toMatchObject({ written: 0, folder: APP })
  })

  test('begins where its package.json says, with the version and packages of the program', () => {
    const read = (folder: string) =>
      JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as Record<string, unknown>
    const [app, own] = [read(APP), read(ROOT)]
    expect(existsSync(join(APP, String(app.main)))).toBe(true)
    expect(app).toMatchObject({ type: 'module', version: own.version, dependencies: own.dependencies })
    expect(app).not.toHaveProperty('devDependencies')
    expect(readlinkSync(join(APP, 'resources'))).toBe(join(ROOT, 'resources'))
  })

  test('has a preload script that is one CommonJS file and uses Electron alone', async () => {
    const script = readFileSync(join(APP, 'build', 'electron', 'preload.cjs'), 'utf8')
    const wanted: string[] = []
    const sent: unknown[] = []
    const bridge: Record<string, (...args: unknown[]) => unknown> = {}
    const electron = {
      contextBridge: { exposeInMainWorld: (name: string, api: object) => Object.assign(bridge, { name }, api) },
      ipcRenderer: {
        send: (...args: unknown[]) => sent.push(args),
        invoke: (...args: unknown[]) => sent.push(args),
        on: (channel: string, heard: (event: unknown, message: unknown) => void) => heard({}, channel),
      },
      webUtils: { getPathForFile: () => '/a' },
    }
    const require = (name: string): unknown => {
      wanted.push(name)
      return electron
    }
    runInNewContext(script, { require, module: {}, exports: {} })
    expect(new Set(wanted)).toEqual(new Set(['electron']))
    expect(bridge.name).toBe('adyton')
    bridge.send({ type: 'x' })
    bridge.ask({ what: 'y' })
    expect(sent).toEqual([
      [CHANNELS.request, { type: 'x' }],
      [CHANNELS.desktop, { what: 'y' }],
    ])
    const heard: unknown[] = []
    bridge.onReply((message: unknown) => heard.push(message))
    bridge.onEvent((message: unknown) => heard.push(message))
    expect(heard).toEqual([CHANNELS.reply, CHANNELS.event])
    expect(bridge.pathOf({})).toBe('/a')
  })

  test('infers a drawn seven in private under a Node that knows no TypeScript', async () => {
    const args = ['--no-strip-types', join(APP, 'core', 'cli', 'main.js'), 'infer', '--model', 'digits']
    const child = spawn(process.execPath, [...args, '--input', SEVEN, '--threads', '1', '--no-record', '--json'], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, NODE_OPTIONS: '--no-strip-types' },
    })
    const { code, stdout, stderr } = await finish(child)
    expect([code, stderr.includes('Error')]).toEqual([0, false])
    expect((JSON.parse(stdout) as { predictions: unknown[] }).predictions[0]).toMatchObject({ label: 7, clear: 7 })
  }, 120_000)
})
