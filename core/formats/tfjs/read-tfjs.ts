/** TensorFlow.js models, of layers or of operations: model.json, or the folder it is in. */
import { open, stat } from 'node:fs/promises'
import { extname, join } from 'node:path'
import type { ImportedNetwork, ImportFormat } from '../import/format.ts'
import { readArtifacts } from './artifacts.ts'
import { readGraphModel } from './read-graph.ts'
import { readLayersModel } from './read-layers.ts'

const HEAD_BYTES = 4096
const MODEL = 'model.json'

export const tfjs: ImportFormat = {
  id: 'tfjs',
  title: 'TensorFlow.js',
  match: async (path) => {
    const file = await modelFile(path)
    if (extname(file).toLowerCase() !== '.json') return false
    try {
      await using handle = await open(file, 'r')
      const { buffer, bytesRead } = await handle.read(Buffer.alloc(HEAD_BYTES), 0, HEAD_BYTES, 0)
      return buffer.subarray(0, bytesRead).includes('"modelTopology"')
    } catch {
      return false
    }
  },
  read: readTfjs,
}

async function modelFile(path: string): Promise<string> {
  const found = await stat(path).catch(() => undefined)
  return found?.isDirectory() === true ? join(path, MODEL) : path
}

/** Reads a model. Throws AdytonError: 'file-not-found', 'file-corrupt', 'file-unsupported' or 'model-invalid'. */
export async function readTfjs(path: string): Promise<ImportedNetwork> {
  const file = await readArtifacts(await modelFile(path))
  const { format, modelTopology } = file.json
  const isGraph = format === 'graph-model' || (format !== 'layers-model' && Array.isArray(modelTopology['node']))
  return isGraph ? readGraphModel(file) : readLayersModel(file)
}
