/** Whether the desktop app can run here, running it, and opening a page in the browser where it cannot. */
import { spawn } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'

type Environment = Readonly<Record<string, string | undefined>>

/** What decides; all but `manifest` as Node has it. */
export interface Machine {
  readonly platform: NodeJS.Platform
  readonly env: Environment
  /** Whether this process is the superuser's. */
  readonly root: boolean
  /** The path of the package.json of the package 'electron', undefined where it is not installed. */
  readonly manifest: string | undefined
}

/** Electron's program, or why there is no desktop app. */
export function findDesktop({ platform, env, root, manifest }: Machine): { program: string } | { missing: string } {
  if (manifest === undefined) return { missing: 'Electron is not installed' }
  const program = electronProgram(manifest, env)
  if (program === undefined) return { missing: "Electron's program is not installed" }
  if (!hasDisplay(platform, env)) return { missing: 'there is no display' }
  // Chromium's sandbox refuses, and without it the renderer would be as free as root.
  if (platform === 'linux' && root) return { missing: 'Electron does not run as root' }
  return { program }
}

/** Whether a window can be shown. */
export function hasDisplay(platform: NodeJS.Platform = process.platform, env: Environment = process.env): boolean {
  if (platform === 'darwin' || platform === 'win32') return true
  return [env['DISPLAY'], env['WAYLAND_DISPLAY']].some((name) => name !== undefined && name !== '')
}

/** Where its package would look for the program. The package would fetch it when it is missing; this does not. */
function electronProgram(manifest: string, env: Environment): string | undefined {
  const folder = dirname(manifest)
  const named = join(folder, 'path.txt')
  const name = existsSync(named) ? readFileSync(named, 'utf8').trim() : undefined
  const other = env['ELECTRON_OVERRIDE_DIST_PATH']
  if (other !== undefined && other !== '') return present(join(other, name ?? 'electron'))
  return name === undefined ? undefined : present(join(folder, 'dist', name))
}

function present(file: string): string | undefined {
  return existsSync(file) ? file : undefined
}

/** Runs the app of a folder (its package.json names the file) and gives its exit code; signals are passed on to it. */
export async function runDesktop(program: string, folder: string, data: string): Promise<number> {
  // Set, it would make Electron an ordinary Node.
  const { ELECTRON_RUN_AS_NODE: _, ...env } = process.env
  const child = spawn(program, [folder], { stdio: 'inherit', env: { ...env, ADYTON_DATA: data } })
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const
  const pass = (signal: NodeJS.Signals): boolean => child.kill(signal)
  for (const signal of signals) process.on(signal, pass)
  try {
    // null: a signal ended it.
    return (await new Promise<number | null>((resolve, reject) => child.on('error', reject).on('close', resolve))) ?? 1
  } finally {
    for (const signal of signals) process.off(signal, pass)
  }
}

/** Asks the system to show an address. What comes of it is not known: the address is printed as well. */
export function openBrowser(url: string, platform: NodeJS.Platform = process.platform): void {
  const [program, ...args] =
    platform === 'win32' ? ['cmd', '/c', 'start', '', url] : [platform === 'darwin' ? 'open' : 'xdg-open', url]
  const child = spawn(program, args, { stdio: 'ignore', detached: true, windowsHide: true })
  child.on('error', () => undefined)
  child.unref()
}
