import { spawn } from 'node:child_process'
import { chmodSync, cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { hostname, tmpdir } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeEach, describe, expect, test } from 'vitest'
import { acquireLock, findProgram, installedMatchesLock, SetupError } from '../../core/setup/setup.mjs'

const SETUP = fileURLToPath(new URL('../../core/setup/setup.mjs', import.meta.url))
const base = mkdtempSync(path.join(tmpdir(), 'adyton-setup-'))
afterAll(() => rmSync(base, { recursive: true, force: true }))

let folder = ''
let made = 0
beforeEach(() => {
  folder = path.join(base, `${made++}`)
  mkdirSync(folder)
})

describe('installedMatchesLock', () => {
  const lock = {
    packages: {
      '': { version: '0' },
      'node_modules/a': { version: '1' },
      'node_modules/b': { version: '2', optional: true },
    },
  }

  test('holds for the same versions, with or without optional packages and extra ones', () => {
    expect(installedMatchesLock(lock, lock)).toBe(true)
    expect(installedMatchesLock(lock, { packages: { 'node_modules/a': { version: '1' }, 'node_modules/c': {} } })).toBe(
      true,
    )
  })

  test('does not hold for another version, a missing package or a missing record', () => {
    expect(installedMatchesLock(lock, { packages: { 'node_modules/a': { version: '1.1' } } })).toBe(false)
    expect(installedMatchesLock(lock, { packages: { 'node_modules/b': { version: '2' } } })).toBe(false)
    expect(installedMatchesLock(lock, { packages: { ...lock.packages, 'node_modules/b': { version: '3' } } })).toBe(
      false,
    )
    expect(installedMatchesLock(lock, undefined)).toBe(false)
    expect(installedMatchesLock(undefined, lock)).toBe(false)
  })
})

test('findProgram takes the first name that can be run', () => {
  const program = path.join(folder, 'cc-two')
  writeFileSync(path.join(folder, 'cc-one'), '')
  writeFileSync(program, '')
  chmodSync(path.join(folder, 'cc-one'), 0o644)
  chmodSync(program, 0o755)
  expect(findProgram(['cc-one', 'cc-two'], folder)).toBe(program)
  expect(findProgram(['cc-three'], folder)).toBeUndefined()
})

describe('acquireLock', () => {
  test('lets one process in at a time', async () => {
    const counter = path.join(folder, 'counter')
    writeFileSync(counter, '0')
    // Read, wait, write back: without the lock, increments are lost.
    const program = `
      import { acquireLock } from ${JSON.stringify(SETUP)}
      import { readFileSync, writeFileSync } from 'node:fs'
      for (let i = 0; i < 3; i++) {
        const release = await acquireLock(${JSON.stringify(path.join(folder, 'lock'))})
        const seen = Number(readFileSync(${JSON.stringify(counter)}, 'utf8'))
        await new Promise((resolve) => setTimeout(resolve, 20))
        writeFileSync(${JSON.stringify(counter)}, String(seen + 1))
        release()
      }`
    const runs = Array.from({ length: 3 }, () => run(['--input-type=module', '-e', program]))
    for (const { status } of await Promise.all(runs)) expect(status).toBe(0)
    expect(readFileSync(counter, 'utf8')).toBe('9')
    expect(existsSync(path.join(folder, 'lock'))).toBe(false)
  })

  test('pushes aside the lock of a process that is gone', async () => {
    const lock = path.join(folder, 'lock')
    const { pid } = await run(['-e', ''])
    mkdirSync(lock)
    writeFileSync(path.join(lock, 'owner.json'), JSON.stringify({ pid, host: hostname(), nonce: 'x' }))
    const release = await acquireLock(lock, { patience: 2000 })
    expect(JSON.parse(readFileSync(path.join(lock, 'owner.json'), 'utf8'))).toMatchObject({ pid: process.pid })
    release()
  })

  test('respects a live holder, and another machine, and says what to do in the end', async () => {
    for (const owner of [
      { pid: process.pid, host: hostname(), nonce: 'x' },
      { pid: 2 ** 22 + 1, host: 'elsewhere', nonce: 'x' },
    ]) {
      const lock = path.join(folder, `lock-${owner.host}`)
      mkdirSync(lock)
      writeFileSync(path.join(lock, 'owner.json'), JSON.stringify(owner))
      await expect(acquireLock(lock, { patience: 300 })).rejects.toThrow(SetupError)
      expect(existsSync(path.join(lock, 'owner.json'))).toBe(true)
    }
  })
})

describe('setup.mjs', () => {
  /** A repository of one script, with no packages and no native kernels. */
  function repository(packages: Record<string, unknown>): string {
    mkdirSync(path.join(folder, 'core/setup'), { recursive: true })
    cpSync(SETUP, path.join(folder, 'core/setup/setup.mjs'))
    const manifest = { name: 'probe', version: '1.0.0', lockfileVersion: 3, packages }
    writeFileSync(path.join(folder, 'package.json'), JSON.stringify({ name: 'probe', version: '1.0.0' }))
    writeFileSync(path.join(folder, 'package-lock.json'), JSON.stringify(manifest))
    return path.join(folder, 'core/setup/setup.mjs')
  }

  /** As if `npm ci` had put these in place. */
  function installed(packages: Record<string, unknown>): void {
    mkdirSync(path.join(folder, 'node_modules/.bin'), { recursive: true })
    writeFileSync(path.join(folder, 'node_modules/.package-lock.json'), JSON.stringify({ packages }))
    writeFileSync(path.join(folder, 'node_modules/.bin/node'), '')
  }

  test('is silent when there is nothing to do, the first time and after', async () => {
    const script = repository({ 'node_modules/a': { version: '1.0.0' } })
    installed({ 'node_modules/a': { version: '1.0.0' } })
    for (let i = 0; i < 2; i++) expect(await run([script])).toMatchObject({ status: 0, stdout: '', stderr: '' })
  })

  test('never writes to stdout, and says what to do when the install fails', async () => {
    // A lock file that does not hold what package.json asks for: npm ci refuses, without any network.
    const script = repository({ 'node_modules/b': { version: '1.0.0' } })
    writeFileSync(path.join(folder, 'package.json'), JSON.stringify({ name: 'probe', dependencies: { a: '1.0.0' } }))
    const { status, stdout, stderr } = await run([script])
    expect(status).toBe(1)
    expect(stdout).toBe('')
    expect(stderr).toMatch(/npm ci failed/)
    expect(stderr).toMatch(/then run: npm ci/)
    expect(existsSync(path.join(folder, '.adyton/setup.lock'))).toBe(false)
  })

  test('installs when the lock file is newer than what is there, with npm talking on stderr', async () => {
    const script = repository({ '': { name: 'probe', version: '1.0.0' } })
    installed({})
    rmSync(path.join(folder, 'node_modules/.package-lock.json'))
    const { status, stdout, stderr } = await run([script])
    expect([status, stdout]).toEqual([0, ''])
    expect(stderr).toMatch(/installing packages with npm ci/)
    expect(await run([script])).toMatchObject({ status: 0, stdout: '', stderr: '' })
  })
})

function run(
  args: string[],
): Promise<{ status: number | null; pid: number | undefined; stdout: string; stderr: string }> {
  return new Promise((resolve, reject) => {
    // Offline: these tests must not reach for a registry.
    const child = spawn(process.execPath, args, { env: { ...process.env, npm_config_offline: 'true' } })
    let [stdout, stderr] = ['', '']
    child.stdout.on('data', (data) => (stdout += String(data)))
    child.stderr.on('data', (data) => (stderr += String(data)))
    child.on('error', reject)
    child.on('close', (status) => resolve({ status, pid: child.pid, stdout, stderr }))
  })
}
