import { svelte } from '@sveltejs/vite-plugin-svelte'
import { defineConfig } from 'vite'
import { bundledLicences } from '../core/setup/bundled-licences.mjs'

export default defineConfig({
  root: import.meta.dirname,
  // The same files are served over HTTP and from Electron's own protocol.
  base: './',
  publicDir: false,
  plugins: [svelte({ configFile: `${import.meta.dirname}/svelte.config.js` }), bundledLicences()],
  build: {
    outDir: `${import.meta.dirname}/../build/renderer`,
    emptyOutDir: true,
    target: 'es2023',
    // The content security policy allows no inline script and no data: font.
    modulePreload: { polyfill: false },
    assetsInlineLimit: 0,
    chunkSizeWarningLimit: 800,
  },
})
