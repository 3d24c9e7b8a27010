import type { Plugin } from 'vite'

export const BUNDLED: string
export function packageFolder(id: string): string | undefined
export function bundledLicences(): Plugin
