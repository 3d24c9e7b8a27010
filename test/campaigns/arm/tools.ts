/** What ARM code is made and run with on another processor: a cross compiler and QEMU's user-mode emulation. */
import { spawnSync } from 'node:child_process'
import path from 'node:path'

const COMPILER = 'aarch64-linux-gnu-g++'
const EMULATORS = ['qemu-aarch64', 'qemu-aarch64-static']

export interface ArmTools {
  readonly compiler: string
  readonly emulator: string
  /** First line of `emulator --version`. */
  readonly emulatorVersion: string
  /** Where the cross compiler keeps the dynamic loader and libstdc++: the emulator's -L. */
  readonly libraries: string
}

function answer(command: string, ...args: string[]): string | undefined {
  const { status, stdout } = spawnSync(command, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] })
  return status === 0 ? stdout.trim() : undefined
}

/** The tools, or what is missing. */
export function findArmTools(): ArmTools | string {
  const library = answer(COMPILER, '-print-file-name=libc.so.6')
  if (library === undefined) return `${COMPILER} is missing (Debian: g++-aarch64-linux-gnu)`
  if (!path.isAbsolute(library)) return `${COMPILER} has no C library (Debian: libc6-dev-arm64-cross)`
  for (const emulator of EMULATORS) {
    const version = answer(emulator, '--version')
    if (version === undefined) continue
    const libraries = path.dirname(path.dirname(path.normalize(library)))
    return { compiler: COMPILER, emulator, emulatorVersion: version.split('\n')[0], libraries }
  }
  return `${EMULATORS[0]} is missing (Debian: qemu-user)`
}
