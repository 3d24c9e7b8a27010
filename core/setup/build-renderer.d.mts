export function buildRenderer(root: string, log: (line: string) => void): string | undefined
