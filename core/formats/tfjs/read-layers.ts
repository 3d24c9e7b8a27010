/** TensorFlow.js layers models: Keras' configuration, with weights named '<layer>/<variable>'. */
import type { ImportedNetwork } from '../import/format.ts'
import { parseConfig, type ModelSpec } from '../keras/config.ts'
import { buildNetwork, type BuiltNetwork } from '../keras/network.ts'
import { isKnownToTfjs, keras2Artifacts, startReference, type LayersArtifacts } from '../keras/reference.ts'
import { namedWeights } from '../keras/weights.ts'
import type { TfjsFile } from './artifacts.ts'

/** Throws AdytonError naming what cannot be run. */
export function readLayersModel(file: TfjsFile): ImportedNetwork {
  const { path, json, weights, producer } = file
  // The converter from Keras puts the configuration one level deeper.
  const config = json.modelTopology['model_config'] ?? json.modelTopology
  const model = parseConfig(config, path)
  const built = buildNetwork(model, namedWeights(weights, path), path)
  const { graph, tensors, notes } = built
  const read = { graph, tensors, ...(producer === undefined ? {} : { producer }) }
  const artifacts = artifactsFor(file, config, model, built)
  if (typeof artifacts === 'string')
    return { ...read, notes: [...notes, `not compared with the file's own: ${artifacts}`] }
  return { ...read, notes, reference: () => startReference(artifacts, built) }
}

/** The file as it is, where TensorFlow.js can read it: not what Keras 3 wrote, nor layers that only Keras has. */
function artifactsFor(
  { json, raw }: TfjsFile,
  config: unknown,
  model: ModelSpec,
  built: BuiltNetwork,
): LayersArtifacts | string {
  const keras3 = typeof config === 'object' && config !== null && 'module' in config
  if (keras3 || !isKnownToTfjs(model)) return keras2Artifacts(model, built.weights)
  const weightSpecs = raw.specs as LayersArtifacts['weightSpecs']
  return { modelTopology: json.modelTopology, weightSpecs, weightData: raw.data.buffer }
}
