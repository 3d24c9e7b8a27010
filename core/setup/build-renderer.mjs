/**
 * Builds the windows' files (renderer/) into build/renderer when their sources have changed. Plain JavaScript for
 * Node 20: vite runs on the pinned Node, as a program of its own.
 */
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'

/** What the windows are made of, relative to the repository. */
const SOURCES = [
  ...['renderer', 'core/api/data', 'core/errors'],
  ...['core/setup/bundled-licences.mjs', 'package-lock.json'],
]

/** @param {string} root */
function fingerprint(root) {
  const hash = createHash('sha256')
  for (const source of SOURCES) {
    const at = path.join(root, source)
    const entries = /\.\w+$/.test(source) ? [''] : readdirSync(at, { recursive: true }).map(String).sort()
    for (const entry of entries) {
      const file = path.join(at, entry)
      if (entry !== '' && !/\.\w+$/.test(entry)) continue
      hash.update(`\0${path.relative(root, file)}\0`).update(readFileSync(file))
    }
  }
  return hash.digest('hex')
}

/**
 * @param {string} root the repository
 * @param {(line: string) => void} log
 * @returns {string | undefined} what went wrong
 */
export function buildRenderer(root, log) {
  const target = path.join(root, 'build', 'renderer')
  const stamp = path.join(target, '.sources')
  const wanted = fingerprint(root)
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === wanted) return undefined
  log('building the windows')
  // Beside the old one first, so that a server that is running always has whole files.
  const fresh = `${target}.${process.pid}`
  const result = spawnSync(
    path.join(root, 'node_modules', '.bin', process.platform === 'win32' ? 'node.cmd' : 'node'),
    [
      path.join(root, 'node_modules', 'vite', 'bin', 'vite.js'),
      ...['build', '--config', path.join(root, 'renderer', 'vite.config.ts'), '--outDir', fresh],
      ...['--emptyOutDir', '--logLevel', 'warn'],
    ],
    { cwd: root, stdio: ['ignore', 2, 2], shell: process.platform === 'win32' },
  )
  if (result.status !== 0) {
    rmSync(fresh, { recursive: true, force: true })
    return result.error?.message ?? `vite ended with ${result.status ?? result.signal}; its messages are above`
  }
  writeFileSync(path.join(fresh, '.sources'), wanted)
  rmSync(target, { recursive: true, force: true })
  renameSync(fresh, target)
  return undefined
}
