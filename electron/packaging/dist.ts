/**
 * `npm run dist -- [arguments of electron-builder]`: stages the app for this platform, prints what it carries, and packs
 * it. With --stage it ends before packing. See docs/packaging.md.
 */
import { spawnSync } from 'node:child_process'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { readConfiguration } from './configuration.ts'
import { contents, contentsTable } from './report.ts'
import { sourceDate } from './source-date.ts'
import { stagePackage } from './stage.ts'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const CONFIGURATION = join(ROOT, 'electron-builder.yml')

const given = process.argv.slice(2).filter((argument) => argument !== '--stage')
const date = sourceDate(ROOT)
const { folder, native } = await stagePackage(ROOT, process, date)
const { asarUnpack } = await readConfiguration(ROOT, CONFIGURATION)
process.stdout.write(`${contentsTable(contents(folder, asarUnpack))}\n`)
if (!native) process.stderr.write('adyton: without the native kernels, which were not built here\n')
if (!process.argv.includes('--stage')) {
  const cli = createRequire(import.meta.url).resolve('electron-builder/cli.js')
  const configured = given.some((argument) => argument === '--config' || argument === '-c')
  const args = [cli, '--publish', 'never', ...(configured ? [] : ['--config', CONFIGURATION]), ...given]
  const env = { ...process.env, SOURCE_DATE_EPOCH: String(Math.floor(date.getTime() / 1000)) }
  process.exitCode = spawnSync(process.execPath, args, { cwd: ROOT, stdio: 'inherit', env }).status ?? 1
}
