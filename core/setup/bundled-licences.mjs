/**
 * The packages whose code is in the windows' files, found by what was bundled, with the texts of their licences: an
 * installed app has no other trace of them.
 */
import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'

/** In the build's folder: [{name, version, licence, files}], files relative to it. */
export const BUNDLED = 'licences/packages.json'

/**
 * The folder of the package that a module is of; undefined for the program's own.
 * @param {string} id of a module, as bundlers write it
 */
export function packageFolder(id) {
  const file = id.replace(/^\0/, '').replace(/\?.*$/, '').replaceAll('\\', '/')
  const match = /^.*\/node_modules\/(@[^/]+\/)?[^/]+/.exec(file)
  return match === null ? undefined : match[0]
}

/**
 * @param {string} folder of a package
 * @returns {{ name: string, version: string, licence: string | null, texts: string[] }}
 */
function readPackage(folder) {
  const { name, version, license } = JSON.parse(readFileSync(path.join(folder, 'package.json'), 'utf8'))
  const files = readdirSync(folder).filter((file) => /^(licen[cs]e|copying|notice)/i.test(file))
  const texts = files.sort().map((file) => readFileSync(path.join(folder, file), 'utf8'))
  // Some name it in the text alone.
  const named = /^\s*(the )?MIT licen[cs]e/i.test(texts[0] ?? '') ? 'MIT' : null
  return { name, version, licence: typeof license === 'string' ? license : named, texts }
}

/** A plug-in of Vite that writes them beside the bundle. */
export function bundledLicences() {
  return {
    name: 'bundled-licences',
    /**
     * @this {{ emitFile: (file: { type: 'asset', fileName: string, source: string }) => unknown }}
     * @param {unknown} _options
     * @param {Record<string, { type: string, modules?: Record<string, unknown> }>} bundle
     */
    generateBundle(_options, bundle) {
      const modules = Object.values(bundle).flatMap((part) => Object.keys(part.modules ?? {}))
      const folders = new Set(modules.map(packageFolder).filter((folder) => folder !== undefined))
      const packages = [...folders].sort().map((folder) => {
        const { texts, ...rest } = readPackage(folder)
        const files = texts.map((source, i) => {
          const fileName = `licences/${rest.name.replace('/', '-')}-${rest.version}-${i + 1}.txt`
          this.emitFile({ type: 'asset', fileName, source })
          return fileName
        })
        return { ...rest, files }
      })
      this.emitFile({ type: 'asset', fileName: BUNDLED, source: `${JSON.stringify(packages, undefined, 2)}\n` })
    },
  }
}
