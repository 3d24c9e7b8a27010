/** Types of build-native.mjs, for TypeScript callers. */
export function buildNative(options: {
  root: string
  log?: (line: string) => void
  arch?: string
  output?: string
}): Promise<{ built: boolean; reason?: string }>
