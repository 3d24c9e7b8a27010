/** The builder's configuration as the builder itself reads and checks it. */
import { createRequire } from 'node:module'

export interface Configuration {
  readonly extends: string | null | undefined
  readonly directories: { readonly app: string; readonly output: string; readonly buildResources: string }
  readonly asarUnpack: readonly string[]
  readonly [name: string]: unknown
}

interface Reader {
  getConfig(project: string, file: string, options: null): Promise<Configuration>
  validateConfiguration(configuration: Configuration, log: { readonly isEnabled: false }): Promise<void>
}

/** Throws the builder's own words for one that it does not take. */
export async function readConfiguration(project: string, file: string): Promise<Configuration> {
  const builder = createRequire(createRequire(import.meta.url).resolve('electron-builder/package.json'))
  const reader = builder('app-builder-lib/out/util/config/config') as Reader
  const configuration = await reader.getConfig(project, file, null)
  await reader.validateConfiguration(configuration, { isEnabled: false })
  return configuration
}
