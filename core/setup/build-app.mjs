/**
 * Stages the desktop app in build/app: Electron's Node takes no types away, so every file of core/ and electron/ is
 * there as JavaScript, one to one; the preload script, which the sandbox wants as a single CommonJS file, is bundled into
 * build/electron. Only what has changed is written. Plain JavaScript and no packages until there is something to do.
 */
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { acquireLock } from './setup.mjs'

/** Folders whose files are staged, and what of them an app never runs. */
const SOURCES = ['core', 'electron']
const LEFT_OUT = /^(core\/setup|electron\/preload|electron\/packaging)\/|^core\/cli\/(start|train-models)\.ts$/
/** What the program finds beside its code, relative to the repository; linked, so that it is never out of date. */
const BESIDE = ['resources', 'build/renderer', 'build/native', 'build/electron', 'build/engine']
const FROM_MANIFEST = ['name', 'version', 'description', 'license', 'type', 'dependencies', 'optionalDependencies']
const MAIN = 'electron/main/main.js'
const PRELOAD = ['electron/preload/preload.ts', 'electron/ipc/channels.ts']

const digest = (/** @type {(string | Buffer)[]} */ ...parts) => {
  const hash = createHash('sha256')
  for (const part of parts) hash.update(part).update('\0')
  return hash.digest('hex')
}

/** @param {string} file */
const readJson = (file) => {
  try {
    return JSON.parse(readFileSync(file, 'utf8'))
  } catch {
    return undefined
  }
}

/** What is staged, as paths of sources relative to the repository, with slashes. @param {string} root */
export function appSources(root) {
  return SOURCES.flatMap((folder) => {
    const names = readdirSync(path.join(root, folder), { recursive: true }).map(String)
    return names.map((name) => `${folder}/${name.split(path.sep).join('/')}`)
  })
    .filter((file) => file.endsWith('.ts') && !file.endsWith('.d.ts') && !LEFT_OUT.test(file))
    .sort()
}

/** The JavaScript of a file of ours; imports and URLs of other files of ours lead to theirs. @param {string} source */
export function toJavaScript(ts, source) {
  const { outputText } = ts.transpileModule(source, {
    compilerOptions: {
      target: ts.ScriptTarget.ES2024,
      module: ts.ModuleKind.ESNext,
      verbatimModuleSyntax: true,
      rewriteRelativeImportExtensions: true,
      removeComments: true,
    },
  })
  return outputText.replaceAll(/(new URL\(\s*(['"])\.[^'"]*)\.ts\2/g, '$1.js$2')
}

/**
 * @param {string} root the repository
 * @returns {Promise<{ written: number, folder: string }>} how many files were out of date
 */
export async function buildApp(root) {
  // Two starts at once would bundle into one folder.
  const release = await acquireLock(path.join(root, '.adyton', 'stage.lock'))
  try {
    return await build(root)
  } finally {
    release()
  }
}

async function build(/** @type {string} */ root) {
  const folder = path.join(root, 'build', 'app')
  const stampFile = path.join(folder, '.stage.json')
  const own = readFileSync(fileURLToPath(import.meta.url))
  const tools = ['typescript', 'vite'].map((name) => readJson(path.join(root, 'node_modules', name, 'package.json')))
  const maker = digest(own, ...tools.map((tool) => String(tool?.version)))
  const last = readJson(stampFile)
  const before = last?.maker === maker ? last.files : {}
  /** @type {Record<string, string>} */
  const files = {}
  const stale = []
  for (const file of appSources(root)) {
    files[file] = digest(readFileSync(path.join(root, file)))
    if (before[file] !== files[file] || !existsSync(path.join(folder, staged(file)))) stale.push(file)
  }
  for (const file of Object.keys(before)) {
    if (files[file] === undefined) rmSync(path.join(folder, staged(file)), { force: true })
  }
  if (stale.length > 0) {
    const { default: ts } = await import('typescript')
    for (const file of stale) {
      const target = path.join(folder, staged(file))
      mkdirSync(path.dirname(target), { recursive: true })
      writeFileSync(target, toJavaScript(ts, readFileSync(path.join(root, file), 'utf8')))
    }
  }
  const preload = digest(...PRELOAD.map((file) => readFileSync(path.join(root, file))))
  if (last?.maker !== maker || last.preload !== preload || !existsSync(preloadFile(root))) await bundlePreload(root)
  writeManifest(root, folder)
  link(root, folder)
  writeFileSync(stampFile, JSON.stringify({ maker, files, preload }))
  return { written: stale.length, folder }
}

/** @param {string} file */
const staged = (file) => file.replace(/\.ts$/, '.js')
const preloadFile = (/** @type {string} */ root) => path.join(root, 'build', 'electron', 'preload.cjs')

async function bundlePreload(/** @type {string} */ root) {
  const vite = await import('vite')
  await vite.build({
    root,
    configFile: false,
    publicDir: false,
    logLevel: 'warn',
    build: {
      outDir: path.dirname(preloadFile(root)),
      emptyOutDir: true,
      minify: false,
      lib: { entry: path.join(root, PRELOAD[0]), formats: ['cjs'], fileName: () => path.basename(preloadFile(root)) },
      rolldownOptions: { external: ['electron'] },
    },
  })
}

/** The app's package.json: what it is and where it begins. */
function writeManifest(/** @type {string} */ root, /** @type {string} */ folder) {
  const manifest = readJson(path.join(root, 'package.json'))
  const kept = Object.fromEntries(FROM_MANIFEST.map((name) => [name, manifest[name]]))
  const text = `${JSON.stringify({ ...kept, productName: 'Adyton', main: MAIN }, null, 2)}\n`
  const file = path.join(folder, 'package.json')
  if (!existsSync(file) || readFileSync(file, 'utf8') !== text) writeFileSync(file, text)
}

function link(/** @type {string} */ root, /** @type {string} */ folder) {
  for (const name of BESIDE) {
    const at = path.join(folder, name)
    mkdirSync(path.dirname(at), { recursive: true })
    try {
      // A junction needs no privilege on Windows; elsewhere the word is ignored.
      symlinkSync(path.join(root, name), at, 'junction')
    } catch (error) {
      if (error.code !== 'EEXIST') throw error
    }
  }
}

if (process.argv[1] !== undefined && pathToFileURL(process.argv[1]).href === import.meta.url) {
  const { written } = await buildApp(fileURLToPath(new URL('../..', import.meta.url)))
  process.stderr.write(`adyton: ${written} files staged in build/app\n`)
}
