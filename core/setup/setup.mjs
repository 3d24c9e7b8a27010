/**
 * Makes a fresh clone able to run: installs the npm packages and builds the native kernels when, and only when, they
 * are missing or out of date. Every npm script that needs them runs this first.
 *
 * Plain JavaScript for Node 20 and built-ins only, because it runs before anything is installed. It never writes to
 * stdout: the command that follows may own it (`--json`). It says nothing when there is nothing to do.
 *
 *   node core/setup/setup.mjs [--windows] [--tests]
 *
 * `--windows` also builds what the app and the browser show. `--tests` does so too, and may install a C++ compiler and
 * a browser (Debian, as root), so that the tests cover the native kernels and the screens.
 */
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { accessSync, constants, existsSync, mkdirSync, readFileSync, realpathSync, renameSync, rmSync } from 'node:fs'
import { readdirSync, writeFileSync } from 'node:fs'
import { hostname } from 'node:os'
import path from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'

/** Oldest Node that runs the rest of the project (this file only needs 20). */
const RUNTIME_MAJOR = 24
/** Held while something is installed or built; relative to the repository. */
const LOCK = path.join('.adyton', 'setup.lock')
/** What build-native.mjs makes. */
const KERNELS = path.join('build', 'native', 'adyton_kernels.node')
/** Browsers that the browser tests can drive. */
export const BROWSERS = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable']
const LOCK_POLL_MS = 200
const LOCK_PATIENCE_MS = 20 * 60_000
/** A lock directory without a readable owner is being made right now, or its maker died between two system calls. */
const LOCK_ANONYMOUS_MS = 10_000

export class SetupError extends Error {}

const log = (/** @type {string} */ line) => void process.stderr.write(`adyton setup: ${line}\n`)

/** @param {string} file */
const readJson = (file) => {
  try {
    return JSON.parse(readFileSync(file, 'utf8'))
  } catch {
    return undefined
  }
}

/**
 * Whether npm's record of what is in node_modules (`node_modules/.package-lock.json`) is what the lock file asks for.
 * Packages that the lock file marks optional may be absent: they belong to other platforms.
 *
 * @param {any} wanted the parsed package-lock.json
 * @param {any} present the parsed node_modules/.package-lock.json
 */
export function installedMatchesLock(wanted, present) {
  if (!wanted?.packages || !present?.packages) return false
  for (const [where, entry] of Object.entries(wanted.packages)) {
    if (where === '') continue
    const found = present.packages[where]
    if (found === undefined ? !entry.optional && !entry.devOptional : found.version !== entry.version) return false
  }
  return true
}

/** The full path of the first of `names` found on `searchPath`, or undefined. @param {string[]} names */
export function findProgram(names, searchPath = process.env.PATH ?? '') {
  const suffixes = process.platform === 'win32' ? ['.exe', '.cmd', ''] : ['']
  for (const name of names) {
    for (const folder of searchPath.split(path.delimiter)) {
      for (const suffix of suffixes) {
        const file = path.join(folder || '.', name + suffix)
        try {
          accessSync(file, constants.X_OK)
          return file
        } catch {
          // Not here.
        }
      }
    }
  }
  return undefined
}

/**
 * Takes a lock that one process at a time holds, waiting for the holder. A holder that died without releasing it
 * (same machine, process gone) is pushed aside.
 *
 * @param {string} directory the lock: a directory, because creating one is atomic everywhere
 * @returns {Promise<() => void>} releases it
 */
export async function acquireLock(directory, { patience = LOCK_PATIENCE_MS } = {}) {
  const owner = path.join(directory, 'owner.json')
  const mine = JSON.stringify({
    pid: process.pid,
    host: hostname(),
    nonce: `${process.pid}-${process.hrtime.bigint()}`,
  })
  const started = Date.now()
  let anonymousSince = 0
  let told = false
  mkdirSync(path.dirname(directory), { recursive: true })
  for (;;) {
    try {
      mkdirSync(directory)
      writeFileSync(owner, mine)
      return () => rmSync(directory, { recursive: true, force: true })
    } catch (error) {
      if (error.code !== 'EEXIST') throw error
    }
    const seen = readJson(owner)
    anonymousSince = seen ? 0 : anonymousSince || Date.now()
    const dead = seen ? isDead(seen) : Date.now() - anonymousSince > LOCK_ANONYMOUS_MS
    if (dead && pushAside(directory, seen)) continue
    if (Date.now() - started > patience) {
      throw new SetupError(
        `another setup has held ${directory} for too long; if none is running, delete that directory`,
      )
    }
    if (!told) log(`waiting for another setup (process ${seen?.pid ?? 'unknown'}) to finish`)
    told = true
    await new Promise((resolve) => setTimeout(resolve, LOCK_POLL_MS))
  }
}

/** @param {{ pid: number, host: string }} owner */
function isDead(owner) {
  if (owner.host !== hostname()) return false
  try {
    process.kill(owner.pid, 0)
    return false
  } catch (error) {
    return error.code === 'ESRCH'
  }
}

/** Renaming is atomic, so of several waiters one wins; it puts back a lock that turns out to be a newer one. */
function pushAside(directory, seen) {
  const aside = `${directory}.stale-${process.pid}`
  try {
    renameSync(directory, aside)
  } catch {
    return false
  }
  if (readJson(path.join(aside, 'owner.json'))?.nonce !== seen?.nonce) {
    try {
      renameSync(aside, directory)
    } catch {
      // Taken meanwhile: leave it to its owner.
    }
    return false
  }
  rmSync(aside, { recursive: true, force: true })
  return true
}

/** @param {string} root */
function lockHash(root) {
  return createHash('sha256')
    .update(readFileSync(path.join(root, 'package-lock.json')))
    .digest('hex')
}

const stampFile = (/** @type {string} */ root) => path.join(root, 'node_modules', '.adyton-setup.json')

/** Merges `change` into the record of what has been set up; kept in node_modules because it describes it. */
function record(root, change) {
  const file = stampFile(root)
  const temporary = `${file}.${process.pid}`
  // npm leaves no folder when there is nothing to install.
  mkdirSync(path.dirname(file), { recursive: true })
  writeFileSync(temporary, JSON.stringify({ ...readJson(file), ...change }, null, 2) + '\n')
  renameSync(temporary, file)
}

/** True when node_modules is what package-lock.json asks for. */
function packagesAreCurrent(root) {
  const hash = lockHash(root)
  if (readJson(stampFile(root))?.lock === hash) return true
  // No record of ours, but `npm install` by hand may have left the right packages.
  const wanted = readJson(path.join(root, 'package-lock.json'))
  if (!installedMatchesLock(wanted, readJson(path.join(root, 'node_modules', '.package-lock.json')))) return false
  record(root, { lock: hash })
  return true
}

/** The npm that runs us (or the one on PATH), with the Node that it runs on, not the pinned one it is about to replace. */
function npmCommand(root) {
  const script = process.env.npm_execpath
  const inside = (/** @type {string} */ file) => file.startsWith(path.join(root, 'node_modules') + path.sep)
  const node = [process.env.npm_node_execpath, process.execPath].find((file) => file && !inside(realpathSync(file)))
  if (script && node && /npm-cli\.[cm]?js$/.test(script)) return [node, script]
  return ['npm']
}

function installPackages(root) {
  const [command, ...before] = npmCommand(root)
  const ownBin = path.join(root, 'node_modules', '.bin')
  const searchPath = (process.env.PATH ?? '').split(path.delimiter).filter((folder) => folder !== ownBin)
  log('installing packages with npm ci (first run, or package-lock.json has changed); this takes a minute')
  const result = spawnSync(command, [...before, 'ci', '--loglevel=error'], {
    cwd: root,
    // npm's stdout goes to our stderr.
    stdio: ['ignore', 2, 2],
    env: { ...process.env, PATH: searchPath.join(path.delimiter) },
    shell: process.platform === 'win32' && before.length === 0,
  })
  if (result.status !== 0) {
    const why = result.error
      ? result.error.message
      : result.signal
        ? `signal ${result.signal}`
        : `exit ${result.status}`
    throw new SetupError(
      `npm ci failed (${why}); its messages are above.\n` +
        '  It needs the npm registry (https://registry.npmjs.org or the one in your .npmrc) and about 500 MB of disk.\n' +
        '  Check the network or proxy, then run: npm ci',
    )
  }
  record(root, { lock: lockHash(root) })
}

/** npm may be told not to run install scripts; then the pinned Node is a package without its binary. */
function checkRuntime(root) {
  const pinned = path.join(root, 'node_modules', '.bin', process.platform === 'win32' ? 'node.cmd' : 'node')
  if (existsSync(pinned)) return
  const [major] = process.versions.node.split('.')
  if (Number(major) >= RUNTIME_MAJOR) return
  throw new SetupError(
    `this project runs on Node ${RUNTIME_MAJOR}, which its "node" package brings, but that package's install script ` +
      `did not run and this is Node ${process.versions.node}.\n` +
      '  Allow it once with: npm rebuild node --ignore-scripts=false\n' +
      `  or put Node ${RUNTIME_MAJOR} or later on your PATH.`,
  )
}

const findCompiler = () => findProgram([process.env.CXX, 'c++', 'g++', 'clang++'].filter(Boolean))

/** Digest of the native sources and their builder: what decides whether a failed build is worth another try. */
function nativeFingerprint(root, compiler) {
  const hash = createHash('sha256').update(`${compiler ?? 'no compiler'} ${process.platform} ${process.arch}`)
  const folder = path.join(root, 'core', 'kernels', 'native')
  const files = existsSync(folder) ? readdirSync(folder, { recursive: true, withFileTypes: true }) : []
  const sources = files
    .filter((entry) => entry.isFile() && !entry.name.endsWith('.node'))
    .map((entry) => path.join(entry.parentPath ?? entry.path, entry.name))
  for (const file of [path.join(root, 'core', 'setup', 'build-native.mjs'), ...sources.sort()]) {
    hash.update(`\0${path.relative(root, file)}\0`).update(readFileSync(file))
  }
  return hash.digest('hex')
}

/** Debian and its derivatives, as root: one attempt at `apt-get install`, its output on stderr. */
function installWithApt(root, name, why) {
  const isRoot = process.getuid?.() === 0
  const tried = readJson(stampFile(root))?.tried ?? []
  if (!isRoot || !existsSync('/etc/debian_version') || tried.includes(name)) return
  record(root, { tried: [...tried, name] })
  log(`installing ${name} with apt-get (${why})`)
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
  const apt = (/** @type {string[]} */ ...args) =>
    spawnSync('apt-get', ['-qq', ...args], { stdio: ['ignore', 2, 2], env }).status === 0
  const install = () => apt('install', '-y', '--no-install-recommends', name)
  if (!install() && !(apt('update') && install())) log(`apt-get could not install ${name}; going on without it`)
}

/** What the native build of these sources with this compiler came to last time: true, false, or undefined (not tried). */
function lastBuild(root, fingerprint) {
  const last = readJson(stampFile(root))?.native
  if (last?.fingerprint !== fingerprint) return undefined
  return last.built && !existsSync(path.join(root, KERNELS)) ? undefined : last.built
}

/** @returns {Promise<void>} never fails: without the native kernels everything works, several times slower. */
async function buildKernels(root, { mayInstall }) {
  const builder = path.join(root, 'core', 'setup', 'build-native.mjs')
  if (!existsSync(builder)) return
  if (lastBuild(root, nativeFingerprint(root, findCompiler())) === true) return
  if (!findCompiler() && mayInstall) installWithApt(root, 'g++', 'for the native kernels')
  const compiler = findCompiler()
  const fingerprint = nativeFingerprint(root, compiler)
  // A failure is told once; the next try is when a source or the compiler changes.
  if (lastBuild(root, fingerprint) !== undefined) return
  const release = await acquireLock(path.join(root, LOCK))
  try {
    if (lastBuild(root, fingerprint) !== undefined) return
    const { buildNative } = await import(pathToFileURL(builder).href)
    const { built, reason } = await buildNative({ root, log })
    record(root, { native: { fingerprint, built } })
    if (built) return
    log(`native kernels are not available, the slower portable ones are used: ${reason ?? 'no reason given'}`)
    if (!compiler) {
      log('to have them, install a C++ compiler (Debian and Ubuntu: apt-get install g++) and run: npm run setup')
    }
  } finally {
    release()
  }
}

async function buildWindows(root) {
  const { buildRenderer } = await import('./build-renderer.mjs')
  const release = await acquireLock(path.join(root, LOCK))
  try {
    const problem = buildRenderer(root, log)
    if (problem !== undefined) throw new SetupError(`the windows could not be built: ${problem}`)
  } finally {
    release()
  }
}

/**
 * @param {string} root the repository
 * @param {{ tests?: boolean, windows?: boolean }} [options]
 */
export async function setup(root, { tests = false, windows = tests } = {}) {
  if (!packagesAreCurrent(root)) {
    const release = await acquireLock(path.join(root, LOCK))
    try {
      // Another setup may have done it while this one waited.
      if (!packagesAreCurrent(root)) installPackages(root)
    } finally {
      release()
    }
  }
  checkRuntime(root)
  await buildKernels(root, { mayInstall: tests })
  if (windows) await buildWindows(root)
  if (tests && !findProgram(BROWSERS)) installWithApt(root, 'chromium', 'for the browser tests')
}

if (process.argv[1] && realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) {
  const root = fileURLToPath(new URL('../..', import.meta.url))
  try {
    await setup(path.resolve(root), {
      tests: process.argv.includes('--tests'),
      windows: process.argv.some((flag) => flag === '--tests' || flag === '--windows'),
    })
  } catch (error) {
    log(error instanceof SetupError ? error.message : (error?.stack ?? String(error)))
    process.exitCode = 1
  }
}
