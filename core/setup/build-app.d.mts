export function appSources(root: string): string[]
export function toJavaScript(ts: typeof import('typescript'), source: string): string
export function buildApp(root: string): Promise<{ written: number; folder: string }>
