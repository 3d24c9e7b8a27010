/** Loads TensorFlow's C library through tfjs-node's addon and registers it with tfjs-core. */
import { createRequire } from 'node:module'
import { availableParallelism } from 'node:os'
import path from 'node:path'
import type { KernelBackend } from '@tensorflow/tfjs-core'
import { registerKernels } from '../kernels.ts'
import { restoreUtil } from '../node-util.ts'
import type { EngineName, EngineOptions, TensorFlow } from '../types.ts'
import { NATIVE_BACKEND, nativeKernels, registerNativeConvolutions, type Binding } from './kernels.ts'
import { BUILT, locateAddons, type Candidate } from './locate.ts'
import { writeStandIns } from './sources.ts'

export interface LoadedNative {
  readonly version: string
  readonly gpu: boolean
  readonly threads: number
}

/** One TensorFlow for a process: two of them cannot live side by side, nor can one be unloaded. */
let loaded: { candidate: Candidate; binding: Binding; threads: number } | undefined

/** Loads and activates it. Throws an Error that says why not. */
export async function loadNative(tf: TensorFlow, name: EngineName, options: EngineOptions): Promise<LoadedNative> {
  if (loaded === undefined) {
    const { candidates, missing } = locateAddons(options.folders)
    if (candidates.length === 0) throw new Error(missing.join('; '))
    const threads = options.threads ?? availableParallelism()
    settle(threads, name)
    const failures: string[] = []
    for (const candidate of candidates) {
      try {
        restoreUtil()
        const binding = createRequire(import.meta.url)(candidate.addon) as Binding
        loaded = { candidate, binding, threads }
        break
      } catch (error) {
        failures.push(`${candidate.origin}: ${firstLine(error)}`)
      }
    }
    if (loaded === undefined) throw new Error(failures.join('; '))
  }
  const { candidate, binding, threads } = loaded
  if (options.threads !== undefined && options.threads !== threads) {
    throw new Error(`TensorFlow is already loaded in this process with ${threads} threads, not ${options.threads}`)
  }
  const gpu = binding.isUsingGpuDevice()
  if (name === 'native-gpu' && !gpu) {
    throw new Error(`TensorFlow ${binding.TF_Version} sees no GPU`)
  }
  if (name === 'native-cpu' && gpu) throw new Error('TensorFlow runs on the GPU in this process')
  await register(tf, candidate, binding)
  return { version: binding.TF_Version, gpu, threads: gpu ? 0 : threads }
}

/** TensorFlow reads these once, when it starts. What the user set stays. */
function settle(threads: number, name: EngineName): void {
  process.env.TF_CPP_MIN_LOG_LEVEL ??= '2'
  process.env.TF_NUM_INTRAOP_THREADS = String(threads)
  process.env.OMP_NUM_THREADS = String(threads)
  // The same sums in the same order on every run, which the seed's promise needs.
  process.env.TF_DETERMINISTIC_OPS ??= '1'
  process.env.TF_FORCE_GPU_ALLOW_GROWTH ??= 'true'
  if (name === 'native-cpu') process.env.CUDA_VISIBLE_DEVICES = '-1'
}

async function register(tf: TensorFlow, { folder, origin }: Candidate, binding: Binding): Promise<void> {
  if (origin === BUILT) writeStandIns(path.dirname(folder))
  const require = createRequire(import.meta.url)
  // Not the package's index.js: it would load the addon from its own folder only, with node-pre-gyp.
  const { NodeJSKernelBackend } = require(`${folder}/dist/nodejs_kernel_backend.js`) as {
    NodeJSKernelBackend: new (binding: Binding, packageName: string) => KernelBackend
  }
  require(`${folder}/dist/register_all_kernels.js`)
  if ((tf.findBackendFactory(NATIVE_BACKEND) as unknown) === null) {
    tf.registerBackend(NATIVE_BACKEND, () => new NodeJSKernelBackend(binding, '@tensorflow/tfjs-node'))
  }
  if (!(await tf.setBackend(NATIVE_BACKEND))) throw new Error('tfjs-core could not start the TensorFlow backend')
  registerNativeConvolutions(tf, binding)
  registerKernels(tf, NATIVE_BACKEND, nativeKernels(tf, binding))
}

function firstLine(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).split('\n')[0]
}
