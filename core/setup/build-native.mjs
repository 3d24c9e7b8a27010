/**
 * Compiles core/kernels/native into build/native/adyton_kernels.node with whatever C++ compiler the machine has.
 * Plain JavaScript and Node's own modules only: this runs before anything else is set up.
 */
import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import path from 'node:path'

const NAME = 'adyton_kernels.node'

const X64_BASE = ['-mavx2', '-maes', '-mbmi', '-mbmi2']
const X64_VAES512 = [
  ...X64_BASE,
  '-mvaes',
  '-mavx512f',
  '-mavx512bw',
  '-mavx512dq',
  '-mavx512vl',
  '-mprefer-vector-width=512',
]

/**
 * Units of one architecture only, as process.arch names it, with the flags they need beyond its baseline. Without its
 * flags, which an old compiler may not know, a unit compiles to nothing.
 *
 * @type {Record<string, Record<string, string[]>>}
 */
const UNITS = {
  x64: {
    'set_avx2.cc': X64_BASE,
    'set_vaes256.cc': [...X64_BASE, '-mvaes'],
    'set_vaes512.cc': X64_VAES512,
    'ot_avx2.cc': X64_BASE,
    'ot_vaes512.cc': X64_VAES512,
    'he_avx2.cc': ['-mavx2', '-mbmi', '-mbmi2'],
    'he_avx512.cc': ['-mbmi2', '-mavx512f', '-mavx512dq', '-mavx512vl', '-mavx512ifma', '-mprefer-vector-width=512'],
  },
  arm64: {
    'set_armv8.cc': ['-march=armv8-a+crypto'],
    'ot_armv8.cc': ['-march=armv8-a+crypto'],
  },
}

/** The flags of a unit, or undefined where it is another architecture's. */
function unitFlags(name, arch) {
  const owner = Object.keys(UNITS).find((one) => name in UNITS[one])
  if (owner === undefined) return []
  return owner === arch ? UNITS[arch][name] : undefined
}

/** Runs a command to its end. Never throws. */
function run(command, args) {
  return new Promise((resolve) => {
    let output = ''
    const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] })
    child.stdout.on('data', (data) => (output += data))
    child.stderr.on('data', (data) => (output += data))
    child.on('error', (error) => resolve({ ok: false, output: error.message }))
    child.on('close', (code) => resolve({ ok: code === 0, output }))
  })
}

/** The first compiler that answers, as { command, args, version }, or undefined. $CXX may carry arguments. */
async function findCompiler() {
  const named = (process.env.CXX ?? '').trim().split(/\s+/).filter(Boolean)
  const candidates = named.length > 0 ? [named] : [['c++'], ['g++'], ['clang++']]
  for (const [command, ...args] of candidates) {
    const { ok, output } = await run(command, [...args, '--version'])
    if (ok) return { command, args, version: output.trim() }
  }
  return undefined
}

/** Whether the compiler takes these flags: an old one may not know VAES. */
async function accepts(compiler, flags, scratch) {
  const probe = path.join(scratch, 'probe.cc')
  writeFileSync(probe, 'int probe() { return 0; }\n')
  return (await run(compiler.command, [...compiler.args, ...flags, '-c', probe, '-o', path.join(scratch, 'probe.o')]))
    .ok
}

/** Runs the jobs, `width` at a time; the first failure's output, or undefined. */
async function runAll(jobs, width) {
  let failure
  const queue = [...jobs]
  const worker = async () => {
    for (let job = queue.shift(); job !== undefined && failure === undefined; job = queue.shift()) {
      const result = await run(...job)
      if (!result.ok) failure ??= result.output
    }
  }
  await Promise.all(Array.from({ length: width }, worker))
  return failure
}

function lastLines(text, count) {
  return text.trim().split('\n').slice(-count).join('\n')
}

async function build(root, log, arch, output) {
  if (process.platform === 'win32') return { built: false, reason: 'the native kernels are not built on Windows' }
  const sourceFolder = path.join(root, 'core', 'kernels', 'native')
  const headers = ['node-addon-api', path.join('node-api-headers', 'include')].map((name) =>
    path.join(root, 'node_modules', name),
  )
  for (const folder of headers) {
    if (!existsSync(folder))
      return { built: false, reason: `${path.relative(root, folder)} is missing (run "npm install")` }
  }
  const compiler = await findCompiler()
  if (compiler === undefined)
    return { built: false, reason: 'no C++ compiler was found (looked for $CXX, c++, g++, clang++)' }

  const files = readdirSync(sourceFolder)
    .filter((name) => /\.(cc|h)$/.test(name))
    .sort()
  const compile = [
    '-std=c++17',
    '-O3',
    '-fPIC',
    '-fvisibility=hidden',
    '-fvisibility-inlines-hidden',
    '-fno-math-errno',
    '-Wall',
    '-Wextra',
    '-DNAPI_VERSION=8',
    '-DNAPI_CPP_EXCEPTIONS',
    ...headers.map((folder) => `-isystem${folder}`),
  ]
  const link = process.platform === 'darwin' ? ['-bundle', '-undefined', 'dynamic_lookup'] : ['-shared']

  const hash = createHash('sha256')
  const describe = [
    process.platform,
    arch,
    compiler.command,
    compiler.args,
    compiler.version,
    compile,
    link,
    UNITS[arch],
  ]
  hash.update(JSON.stringify(describe))
  for (const name of files) hash.update(`\0${name}\0`).update(readFileSync(path.join(sourceFolder, name)))
  const stamp = hash.digest('hex')

  const target = output ?? path.join(root, 'build', 'native')
  const stampFile = path.join(target, 'stamp')
  if (existsSync(path.join(target, NAME)) && existsSync(stampFile) && readFileSync(stampFile, 'utf8') === stamp) {
    return { built: true }
  }

  log(`compiling the native kernels with ${compiler.version.split('\n')[0]}`)
  mkdirSync(target, { recursive: true })
  // A folder of our own, so that two builds at once do not meet; the renames at the end are atomic.
  const scratch = mkdtempSync(path.join(target, 'tmp-'))
  try {
    const units = files.filter((name) => name.endsWith('.cc'))
    const jobs = []
    const objects = []
    for (const name of units) {
      let extra = unitFlags(name, arch)
      if (extra === undefined) continue
      if (extra.length > 0 && !(await accepts(compiler, extra, scratch))) {
        log(`the compiler does not know ${extra.join(' ')}; leaving out ${name}`)
        extra = []
      }
      const object = path.join(scratch, `${name}.o`)
      objects.push(object)
      jobs.push([
        compiler.command,
        [...compiler.args, ...compile, ...extra, '-c', path.join(sourceFolder, name), '-o', object],
      ])
    }
    const failure = await runAll(jobs, 2)
    if (failure !== undefined) return { built: false, reason: `the compiler failed:\n${lastLines(failure, 20)}` }
    const made = path.join(scratch, NAME)
    const linked = await run(compiler.command, [...compiler.args, ...link, ...objects, '-o', made])
    if (!linked.ok) return { built: false, reason: `the linker failed:\n${lastLines(linked.output, 20)}` }
    if (!existsSync(made)) return { built: false, reason: `${compiler.command} made no output` }
    // The stamp goes first and comes back last: a crash in between only means another build.
    rmSync(stampFile, { force: true })
    renameSync(made, path.join(target, NAME))
    writeFileSync(path.join(scratch, 'stamp'), stamp)
    renameSync(path.join(scratch, 'stamp'), stampFile)
    return { built: true }
  } finally {
    rmSync(scratch, { recursive: true, force: true })
  }
}

/**
 * Builds the addon if its sources, flags or compiler have changed. Never throws: without a compiler the program runs
 * on its TypeScript kernels, and `reason` says what was missing.
 *
 * @param {{ root: string, log?: (line: string) => void, arch?: string, output?: string }} options `root` is the
 *   repository's folder. `arch` is what $CXX compiles for, this machine's by default; `output` is where the addon goes,
 *   build/native by default.
 * @returns {Promise<{ built: boolean, reason?: string }>} `built` is true when an up-to-date addon is in place.
 */
export async function buildNative({ root, log = () => {}, arch = process.arch, output }) {
  try {
    return await build(root, log, arch, output)
  } catch (error) {
    return { built: false, reason: error instanceof Error ? error.message : String(error) }
  }
}
