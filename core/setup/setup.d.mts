/** Types of setup.mjs, for tests. */
export class SetupError extends Error {}
export const BROWSERS: readonly string[]
export function installedMatchesLock(wanted: unknown, present: unknown): boolean
export function findProgram(names: readonly string[], searchPath?: string): string | undefined
export function acquireLock(directory: string, options?: { patience?: number }): Promise<() => void>
export function setup(root: string, options?: { tests?: boolean; windows?: boolean }): Promise<void>
