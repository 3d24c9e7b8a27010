/** tfjs-converter as a second implementation of graph models: it runs the file's own nodes on the file's own weights. */
import type { io } from '@tensorflow/tfjs-core'
import { AdytonError } from '../../errors/errors.ts'
import { elements } from '../../network/shapes.ts'
import { loadEngine } from '../../training/engine/index.ts'
import type { ReferenceRunner } from '../import/format.ts'
import { toFile } from '../keras/reference.ts'
import type { TfjsFile } from './artifacts.ts'
import type { GraphNode } from './graph-def.ts'

interface RawNode {
  readonly name: string
  readonly op: string
  readonly input?: readonly string[] | null
}

export interface GraphReference {
  readonly file: TfjsFile
  /** The nodes that the output depends on, all of them operations that we read; nothing else of the file is run. */
  readonly nodes: readonly GraphNode[]
  readonly input: { readonly name: string; readonly shape: readonly number[] }
  readonly output: string
  /** The node that takes the softmax of the logits, which are what is compared. */
  readonly softmax: string | undefined
}

/** Runs a graph of channels last. Throws AdytonError 'file-unsupported' with TensorFlow.js' reason not to. */
export async function startGraphReference(graph: GraphReference): Promise<ReferenceRunner> {
  const { file, input, output } = graph
  // Plain JavaScript: slow, but none of it is ours, and it is everywhere.
  const { tf } = await loadEngine({ prefer: 'cpu' })
  const converter = await import('@tensorflow/tfjs-converter')
  const artifacts: io.ModelArtifacts = {
    modelTopology: { node: rawNodes(graph), library: {}, versions: {} },
    weightSpecs: file.raw.specs as io.WeightsManifestEntry[],
    weightData: file.raw.data.buffer,
  }
  const model = await converter
    .loadGraphModel({ load: () => Promise.resolve(artifacts) })
    .catch((cause: unknown) => notRun(cause))
  const run = (image: Float32Array): Float32Array => {
    const data = toFile(image, input.shape, 'channels_last')
    const logits = tf.tidy(() => {
      const result = model.execute({ [input.name]: tf.tensor(data, [1, ...input.shape]) }, output)
      return Array.isArray(result) ? result[0] : result
    })
    const values = Float32Array.from(logits.dataSync())
    logits.dispose()
    return values
  }
  try {
    // TensorFlow.js says only when it runs what it cannot run: groups, or dilation with strides.
    run(new Float32Array(elements(input.shape)))
  } catch (cause) {
    model.dispose()
    return notRun(cause)
  }
  return {
    name: `tfjs-converter ${converter.version_converter}`,
    run: (image) => Promise.resolve(run(image)),
    close: () => {
      model.dispose()
      return Promise.resolve()
    },
  }
}

function notRun(cause: unknown): never {
  const reason = cause instanceof Error ? cause.message.trim().slice(0, 300) : 'no reason'
  throw new AdytonError('file-unsupported', `TensorFlow.js does not run the graph: ${reason}`, {
    advice: 'The import itself is not affected; measure its accuracy.',
    cause,
  })
}

/** As in the file, but without orders of running (no node here has an effect) and without the softmax. */
function rawNodes({ file, nodes, softmax }: GraphReference): object[] {
  const wanted = new Set(nodes.map(({ name }) => name))
  const all = file.json.modelTopology['node'] as readonly RawNode[]
  return all
    .filter(({ name }) => wanted.has(name))
    .map((node) => ({
      ...node,
      ...(node.name === softmax ? { op: 'Identity' } : {}),
      input: (node.input ?? []).filter((from) => !from.startsWith('^')),
    }))
}
