/** tfjs's WASM backend: XNNPACK with SIMD. tfjs has its threads switched off under Node. */
import { createRequire } from 'node:module'
import path from 'node:path'
import { composedKernels, registerKernels } from '../kernels.ts'
import type { TensorFlow } from '../types.ts'
import { registerWasmKernels } from './kernels.ts'

let factory: ReturnType<TensorFlow['findBackendFactory']> | undefined

/** Activates it; gives its version. Throws an Error that says why not. */
export async function loadWasm(tf: TensorFlow): Promise<string> {
  const wasm = await import('@tensorflow/tfjs-backend-wasm')
  const { resolve } = createRequire(import.meta.url)
  wasm.setWasmPaths(path.dirname(resolve('@tensorflow/tfjs-backend-wasm')) + path.sep)
  wasm.setThreadsCount(1)
  // Importing the package registered it; an engine that was disposed took it away again.
  factory ??= tf.findBackendFactory('wasm')
  if ((tf.findBackendFactory('wasm') as unknown) === null) tf.registerBackend('wasm', factory)
  if (!(await tf.setBackend('wasm'))) throw new Error('tfjs-core could not start the WASM backend')
  registerWasmKernels(tf)
  registerKernels(tf, 'wasm', composedKernels(tf))
  return wasm.version_wasm
}
