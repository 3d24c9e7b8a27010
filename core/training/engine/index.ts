/**
 * The engine that training runs on: TensorFlow.js with the best backend that loads. docs/training-engine.md tells what
 * each needs. Nothing of tfjs is loaded before {@link loadEngine} is called, so inference never loads it.
 */
import { AdytonError } from '../../errors/errors.ts'
import { composedKernels, registerKernels } from './kernels.ts'
import { createOperations } from './operations.ts'
import {
  ENGINE_NAMES,
  type Engine,
  type EngineName,
  type EngineOptions,
  type Reason,
  type TensorFlow,
} from './types.ts'

export { ENGINE_NAMES } from './types.ts'
export type {
  BatchNormResult,
  Engine,
  EngineName,
  EngineOptions,
  Operations,
  Padding,
  PoolOptions,
  Reason,
  TensorFlow,
} from './types.ts'

interface Loaded {
  readonly description: string
  readonly threads: number
}

/** Tries `prefer`, then the others in the order of {@link ENGINE_NAMES}. */
export async function loadEngine(options: EngineOptions = {}): Promise<Engine> {
  const { prefer, report } = options
  if (options.threads !== undefined && (!Number.isInteger(options.threads) || options.threads < 1)) {
    throw new AdytonError('usage', `the number of threads must be a whole number from 1, not ${options.threads}`)
  }
  const tf = await loadTensorFlow()
  const reasons: Reason[] = []
  for (const name of order(prefer)) {
    try {
      const { description, threads } = await load(tf, name, options)
      const backend = tf.getBackend()
      return {
        name,
        description,
        backend,
        threads,
        reasons,
        tf,
        ops: createOperations(tf),
        dispose: () => tf.removeBackend(backend),
      }
    } catch (error) {
      const reason = { backend: name, why: error instanceof Error ? error.message : String(error) }
      reasons.push(reason)
      report?.(reason)
    }
  }
  throw new AdytonError(
    'internal',
    `no training backend loads: ${reasons.map(({ backend, why }) => `${backend}: ${why}`).join('; ')}`,
    { advice: 'Run npm install; docs/training-engine.md tells what each backend needs.' },
  )
}

function order(prefer: EngineName | undefined): EngineName[] {
  return prefer === undefined ? [...ENGINE_NAMES] : [prefer, ...ENGINE_NAMES.filter((name) => name !== prefer)]
}

async function loadTensorFlow(): Promise<TensorFlow> {
  try {
    const tf = await import('@tensorflow/tfjs-core')
    // tfjs-core leaves its gradients to the packages above it; this is the smallest that registers them.
    await import('@tensorflow/tfjs-layers')
    return tf
  } catch (error) {
    throw new AdytonError('internal', 'TensorFlow.js, which training needs, is not installed', {
      advice: 'Run npm install (with the development dependencies).',
      cause: error,
    })
  }
}

async function load(tf: TensorFlow, name: EngineName, options: EngineOptions): Promise<Loaded> {
  switch (name) {
    case 'native-gpu':
    case 'native-cpu': {
      const { loadNative } = await import('./native/load.ts')
      const { version, gpu, threads } = await loadNative(tf, name, options)
      const where = gpu ? 'on the GPU' : threads === 1 ? 'one thread' : `${threads} threads`
      return { description: `TensorFlow ${version}, native, ${where}`, threads }
    }
    case 'webgpu': {
      const { loadWebGpu } = await import('./webgpu.ts')
      return { description: await loadWebGpu(tf), threads: 0 }
    }
    case 'wasm': {
      const { loadWasm } = await import('./wasm/load.ts')
      return { description: `TensorFlow.js ${await loadWasm(tf)}, WebAssembly, one thread`, threads: 1 }
    }
    case 'cpu': {
      const cpu = await import('@tensorflow/tfjs-backend-cpu')
      // Without `firstUse` it would print an advertisement for tfjs-node.
      if ((tf.findBackendFactory('cpu') as unknown) !== null) tf.removeBackend('cpu')
      tf.registerBackend('cpu', () => Object.assign(new cpu.MathBackendCPU(), { firstUse: false }))
      if (!(await tf.setBackend('cpu'))) throw new Error('tfjs-core could not start its JavaScript backend')
      registerKernels(tf, 'cpu', composedKernels(tf))
      return { description: `TensorFlow.js ${cpu.version_cpu}, JavaScript, one thread`, threads: 1 }
    }
  }
}
