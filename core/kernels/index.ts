/** Chooses the kernels to run: the native addon where it is built and loads, else the TypeScript reference. */
import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'
import { AdytonError } from '../errors/errors.ts'
import type { Kernels } from './interface.ts'
import { INSTRUCTION_SETS, type InstructionSet, type NativeAddon } from './addon.ts'
import { nativeKernels } from './native.ts'
import { referenceKernels } from './reference/index.ts'

export type * from './interface.ts'
export { GATE_AND, GATE_NOT, GATE_XOR } from './interface.ts'
export { heKey } from './reference/he-client.ts'
export { heRing } from './reference/ntt-tables.ts'
export { referenceKernels } from './reference/index.ts'

/** 'native' is the best instruction set that the processor runs. */
export type KernelChoice = 'reference' | 'native' | `native:${InstructionSet}`

/** Every choice, for command lines. */
export const KERNEL_CHOICES: readonly KernelChoice[] = [
  'reference',
  'native',
  ...INSTRUCTION_SETS.map((set) => `native:${set}` as const),
]
const CHOICES: readonly string[] = KERNEL_CHOICES

/** Must equal `abi` of native/addon.cc. */
const ABI = 9

export interface LoadOptions {
  /** Takes these kernels or throws; without it, the environment variable ADYTON_KERNELS may name a choice. */
  readonly force?: KernelChoice
  /** Told once a thread, in one line, when the reference has to stand in for the native kernels. */
  readonly warn?: (line: string) => void
}

/** Where `core/setup/build-native.mjs` puts the addon. */
export const ADDON_PATH = fileURLToPath(new URL('../../build/native/adyton_kernels.node', import.meta.url))

/** The addon, or why there is none. Node keeps what it has loaded, so asking again is cheap. */
function loadAddon(): NativeAddon | string {
  if (!existsSync(ADDON_PATH)) return 'not built (run "npm run setup" with a C++ compiler installed)'
  try {
    const addon = createRequire(import.meta.url)(ADDON_PATH) as NativeAddon
    return addon.abi === ABI ? addon : 'built from other sources (run "npm run setup")'
  } catch (cause) {
    const text = cause instanceof Error ? cause.message : String(cause)
    return `did not load (${text.split('\n')[0]})`
  }
}

/** The native kernels that can run here, slowest first; empty where the addon is missing. */
export function availableNative(): InstructionSet[] {
  const addon = loadAddon()
  return typeof addon === 'string' ? [] : INSTRUCTION_SETS.filter((_, i) => addon.supported.includes(i))
}

/** Why the native kernels cannot run here; undefined where they can. */
export function nativeProblem(): string | undefined {
  const addon = loadAddon()
  return typeof addon === 'string' ? addon : undefined
}

let warned = false

/**
 * The kernels for this process. Never fails for want of a compiler unless native kernels are forced; works in worker
 * threads, where each calls it for itself. Throws AdytonError 'usage' for an unknown choice and for a forced one that
 * cannot run.
 */
export function loadKernels(options: LoadOptions = {}): Kernels {
  const choice = options.force ?? (process.env['ADYTON_KERNELS'] || undefined)
  if (choice !== undefined && !CHOICES.includes(choice)) {
    throw new AdytonError('usage', `no kernels are named '${choice}'`, { advice: `Known: ${CHOICES.join(', ')}.` })
  }
  if (choice === 'reference') return referenceKernels
  const addon = loadAddon()
  if (typeof addon === 'string') {
    if (choice !== undefined)
      throw new AdytonError('usage', `${choice} kernels were asked for, but the addon is ${addon}`)
    if (!warned) options.warn?.(`native kernels: ${addon}; using the slower TypeScript kernels`)
    warned = true
    return referenceKernels
  }
  const supported = INSTRUCTION_SETS.filter((_, i) => addon.supported.includes(i))
  const wanted = choice?.startsWith('native:') ? choice.slice('native:'.length) : undefined
  const set = wanted === undefined ? supported.at(-1) : supported.find((name) => name === wanted)
  if (set === undefined)
    throw new AdytonError('usage', `${choice} kernels were asked for, but this processor cannot run them`)
  return nativeKernels(addon, set)
}
