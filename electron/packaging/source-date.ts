/** The date that all files of a package bear: the same sources give the same package. */
import { spawnSync } from 'node:child_process'

/** SOURCE_DATE_EPOCH, in seconds; else the last commit; else the first day of 2000. */
export function sourceDate(root: string, env: Readonly<Record<string, string | undefined>> = process.env): Date {
  const committed = (): string =>
    spawnSync('git', ['log', '-1', '--format=%ct'], { cwd: root, encoding: 'utf8' }).stdout
  const text = env['SOURCE_DATE_EPOCH'] ?? committed()
  const seconds = /^\s*\d+\s*$/.test(text) ? Number(text) : Date.UTC(2000, 0, 1) / 1000
  return new Date(seconds * 1000)
}
