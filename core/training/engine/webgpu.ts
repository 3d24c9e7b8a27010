/**
 * tfjs's WebGPU backend on Dawn's Node binding. Both packages (`webgpu`, `@tensorflow/tfjs-backend-webgpu`) are optional
 * and not installed with this project: `require`, not `import`, as the type checker would not find them.
 */
import { createRequire } from 'node:module'
import { composedKernels, registerKernels } from './kernels.ts'
import type { TensorFlow } from './types.ts'

interface Dawn {
  readonly create: (options: readonly string[]) => { requestAdapter(): Promise<unknown> }
  readonly globals: Readonly<Record<string, unknown>>
}

/** Activates it; gives what runs. Throws an Error that says why not. */
export async function loadWebGpu(tf: TensorFlow): Promise<string> {
  const require = createRequire(import.meta.url)
  const dawn = optional('webgpu', () => require('webgpu')) as Dawn
  const gpu = dawn.create([])
  if (!(await gpu.requestAdapter())) throw new Error('Dawn finds no graphics adapter (no Vulkan driver, or no GPU)')
  Object.assign(globalThis, dawn.globals)
  const { navigator } = globalThis as { navigator?: object }
  Object.defineProperty(navigator ?? globalThis, 'gpu', { value: gpu, configurable: true })
  const backend = optional('@tensorflow/tfjs-backend-webgpu', () => require('@tensorflow/tfjs-backend-webgpu')) as {
    version_webgpu?: string
  }
  if (!(await tf.setBackend('webgpu'))) throw new Error('tfjs-core could not start the WebGPU backend')
  registerKernels(tf, 'webgpu', composedKernels(tf))
  return ['TensorFlow.js', backend.version_webgpu].filter(Boolean).join(' ') + ', WebGPU'
}

/** Runs `load`; an error says what is the matter with the package. */
function optional(name: string, load: () => unknown): unknown {
  try {
    return load()
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined
    const missing = code === 'MODULE_NOT_FOUND' || code === 'ERR_MODULE_NOT_FOUND'
    throw new Error(missing ? `the package ${name} is not installed` : `the package ${name} does not load`, {
      cause: error,
    })
  }
}
