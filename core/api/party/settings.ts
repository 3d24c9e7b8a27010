/** Settings of a party as the modules below take them. */
import type { LoadOptions } from '../../kernels/index.ts'
import type { PartySettings } from './messages.ts'

/** A fall-back to the reference kernels is said on standard error, once a process. */
export function kernelOptions(settings: PartySettings): LoadOptions {
  const warn = (line: string): void => console.error(line)
  return settings.kernels === null ? { warn } : { force: settings.kernels as NonNullable<LoadOptions['force']>, warn }
}
