/** engines: what training runs on, how fast it is, and how to get a better one. */
import { fileURLToPath } from 'node:url'
import { resolve } from 'node:path'
import * as v from 'valibot'
import { AdytonError } from '../../errors/errors.ts'
import { ENGINE_NAMES, type EngineName } from '../../training/engine/index.ts'
import { buildEngine, checkEngine, type BuildOptions } from '../../training/engine/native/build.ts'
import { findCompiler } from '../../training/engine/native/compile.ts'
import { directFetch } from '../../training/engine/native/fetch-direct.ts'
import { locateAddons, locateIn } from '../../training/engine/native/locate.ts'
import { lastLines, runProgram } from '../../training/engine/native/process.ts'
import type { ProbeReport, ProbeRequest } from '../../training/engine/probe.ts'
import { adopt, adoptedFolder, engineFolders, engineHome } from '../engines/adopted.ts'
import type { Operation, OperationContext } from '../operation.ts'

const PROBE = fileURLToPath(new URL('../../training/engine/probe.ts', import.meta.url))
const MEASURE_SECONDS = 5
/** Downloads are most of a set-up; compiling is the rest. */
const FETCH_SHARE = 0.8

const data = v.exactOptional(v.pipe(v.string(), v.minLength(1)))

const TITLES: Readonly<Record<EngineName, string>> = {
  'native-gpu': 'TensorFlow on a GPU',
  'native-cpu': 'TensorFlow on the processor',
  webgpu: 'WebGPU',
  wasm: 'WebAssembly, one thread',
  cpu: 'JavaScript, for tests only',
}

export interface EngineRow {
  readonly name: EngineName
  readonly title: string
  /** 'untried': a better one runs. */
  readonly state: 'runs' | 'missing' | 'untried'
  /** Why it does not load, for whoever uses the program. */
  readonly why: string | null
  /** The same for whoever builds it, where that says more. */
  readonly detail: string | null
}

export interface EnginesResult {
  /** What training runs on now, in words. */
  readonly description: string
  /** 0 when the library decides (a GPU). */
  readonly threads: number
  /** Best first. */
  readonly engines: readonly EngineRow[]
  /** A folder that was adopted with engine-find; null for none. */
  readonly adopted: string | null
  /** Where engine-fetch builds. */
  readonly home: string
  /** What stands in the way of engine-fetch on this machine; empty when nothing does. */
  readonly obstacles: readonly string[]
}

async function probe(request: ProbeRequest, signal: AbortSignal): Promise<ProbeReport> {
  const { ok, output } = await runProgram(PROBE, [JSON.stringify(request)], { signal })
  if (signal.aborted) throw new AdytonError('cancelled', 'looking at the training engines was stopped')
  const line = output
    .trim()
    .split('\n')
    .findLast((text) => text.startsWith('{"name"'))
  if (ok && line !== undefined) return JSON.parse(line) as ProbeReport
  throw new AdytonError('internal', `no training engine loads: ${lastLines(output, 5)}`)
}

async function obstacles(): Promise<string[]> {
  const found: string[] = []
  if (process.platform !== 'linux' || process.arch !== 'x64') {
    found.push(`TensorFlow can be fetched for x86-64 Linux only, and this is ${process.platform} ${process.arch}`)
  }
  if (process.platform === 'linux') {
    await findCompiler().catch((error: AdytonError) => found.push(`${error.message}. ${error.advice ?? ''}`.trim()))
  }
  return found
}

const dataInput = v.strictObject({ data })

export const engines: Operation<typeof dataInput, EnginesResult> = {
  name: 'engines',
  summary: 'Lists what training can run on, which one loads here, and why the better ones do not.',
  input: dataInput,
  async run(input, { signal }) {
    const [report, inTheWay] = await Promise.all([
      probe({ folders: engineFolders(input.data), seconds: 0 }, signal),
      obstacles(),
    ])
    const nowhere = locateAddons(engineFolders(input.data)).candidates.length === 0
    const rows = ENGINE_NAMES.map((name): EngineRow => {
      const found = report.reasons.find(({ backend }) => backend === name)?.why ?? null
      const unbuilt = found !== null && nowhere && name.startsWith('native')
      return {
        name,
        title: TITLES[name],
        state: name === report.name ? 'runs' : found === null ? 'untried' : 'missing',
        why: unbuilt ? "TensorFlow's library is not on this machine" : found,
        detail: unbuilt ? found : null,
      }
    })
    return {
      ...{ description: report.description, threads: report.threads, engines: rows },
      ...{ adopted: adoptedFolder(input.data), home: engineHome(input.data), obstacles: inTheWay },
    }
  },
}

export interface EngineMeasured {
  readonly name: EngineName
  readonly description: string
  readonly threads: number
  /** Training a network of 19.4 million multiply-accumulates on 32 x 32 images. */
  readonly imagesPerSecond: number
}

export const engineMeasure: Operation<typeof dataInput, EngineMeasured> = {
  name: 'engine-measure',
  summary: 'Measures how many images a second the training engine takes, on a small residual network.',
  input: dataInput,
  async run(input, context) {
    context.onProgress({ text: `training for ${MEASURE_SECONDS} s` })
    const request = { folders: engineFolders(input.data), seconds: MEASURE_SECONDS }
    const { name, description, threads, imagesPerSecond } = await probe(request, context.signal)
    if (imagesPerSecond === null) throw new Error('the probe did not measure')
    return { name, description, threads, imagesPerSecond }
  },
}

export interface EngineReady {
  /** What runs, in words. */
  readonly engine: string
  readonly folder: string
}

const findInput = v.strictObject({
  /**
   * A libtensorflow with its headers (its folder, or a file in it), TensorFlow's Python package, an engine that
   * engine:setup built, or an installed @tensorflow/tfjs-node.
   */
  path: v.pipe(v.string(), v.minLength(1)),
  data,
})

export const engineFind: Operation<typeof findInput, EngineReady> = {
  name: 'engine-find',
  summary: 'Checks a TensorFlow library on this machine and trains with it from now on.',
  input: findInput,
  async run({ path, data: where }, context) {
    const folder = resolve(path)
    if (typeof locateIn(folder) !== 'string') {
      context.onProgress({ text: 'checking that it computes' })
      const { ok, words } = await checkEngine(folder, context.signal)
      if (context.signal.aborted) throw new AdytonError('cancelled', 'checking the engine was stopped')
      if (!ok) throw new AdytonError('file-unsupported', `${folder} does not work here: ${words}`)
      adopt(folder, where)
      return { engine: words, folder }
    }
    return await set(folder, where, context)
  },
}

const fetchInput = v.strictObject({ data })

export const engineFetch: Operation<typeof fetchInput, EngineReady> = {
  name: 'engine-fetch',
  summary: "Fetches TensorFlow's library and builds the native training engine; run it again to go on after a stop.",
  input: fetchInput,
  async run({ data: where }, context) {
    const [first] = await obstacles()
    if (first !== undefined) {
      throw new AdytonError('file-unsupported', first, { advice: 'Training runs on WebAssembly meanwhile.' })
    }
    return await set(undefined, where, context)
  },
}

/** Builds in the data folder, of a library on this machine or of the one that is fetched. */
async function set(library: string | undefined, where: string | undefined, context: OperationContext) {
  const home = engineHome(where)
  let done = 0
  const tell = (text: string, fraction: number): void => {
    done = Math.max(done, fraction)
    context.onProgress({ text, fraction: done })
  }
  const { signal } = context
  const options: BuildOptions = {
    ...{ into: home, library, signal },
    fetch: directFetch({
      ...{ downloads: `${home}/downloads`, signal },
      onProgress: ({ file, received, total }) => {
        const of = total === undefined ? '' : ` of ${(total / 1e6).toFixed(1)} MB`
        // Beside the wheel the packages are nothing.
        const share = total === undefined || total < 50e6 ? 0 : received / total
        tell(`${file}: ${(received / 1e6).toFixed(1)} MB${of}`, FETCH_SHARE * share)
      },
    }),
    log: (line) => tell(line, /compiling|checking/.test(line) ? FETCH_SHARE : 0),
  }
  const engine = await buildEngine(options)
  adopt(null, where)
  return { engine, folder: home }
}
