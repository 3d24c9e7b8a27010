import { fileURLToPath } from 'node:url'
import { svelte } from '@sveltejs/vite-plugin-svelte'
import { defineConfig } from 'vite'

const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url))

export default defineConfig({
  root: here('.'),
  // The same files are served over HTTP and from Electron's own protocol.
  base: './',
  publicDir: false,
  plugins: [svelte({ configFile: here('svelte.config.js') })],
  build: {
    outDir: here('../build/renderer'),
    emptyOutDir: true,
    target: 'es2023',
    // The content security policy allows no inline script and no data: font.
    modulePreload: { polyfill: false },
    assetsInlineLimit: 0,
    chunkSizeWarningLimit: 800,
  },
})
