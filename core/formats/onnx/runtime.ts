/** onnxruntime-node: the second implementation by which an imported ONNX network is checked. */
import type * as Runtime from 'onnxruntime-node'
import { AdytonError } from '../../errors/errors.ts'
import { elements } from '../../network/shapes.ts'
import type { ReferenceRunner } from '../import/format.ts'
import type { NetworkInput } from './ends.ts'
import { ourPlaces } from './values.ts'

async function load(): Promise<typeof Runtime> {
  try {
    return await import('onnxruntime-node')
  } catch (cause) {
    throw new AdytonError('file-unsupported', 'onnxruntime-node, which checks ONNX models, cannot be loaded here', {
      advice: 'Install Adyton again, or import without the comparison.',
      cause,
    })
  }
}

/** A session of onnxruntime on one thread. Throws AdytonError 'file-unsupported' with its reason. */
export async function openSession(
  model: Uint8Array,
  file: string,
): Promise<{ session: Runtime.InferenceSession; ort: typeof Runtime }> {
  const ort = await load()
  try {
    const session = await ort.InferenceSession.create(model, {
      ...{ intraOpNumThreads: 1, interOpNumThreads: 1, logSeverityLevel: 3 },
      ...{ executionMode: 'sequential', executionProviders: ['cpu'] },
    })
    return { session, ort }
  } catch (cause) {
    return notRun(file, cause)
  }
}

function notRun(file: string, cause: unknown): never {
  const reason = cause instanceof Error ? cause.message.trim().slice(0, 500) : 'no reason'
  throw new AdytonError('file-unsupported', `${file}: onnxruntime does not run it: ${reason}`, {
    advice: 'Check the file (onnx.checker) and export it again.',
    cause,
  })
}

/** Runs `model`, whose output is `output`, on images of our layout. */
export async function referenceRunner(
  model: Uint8Array,
  file: string,
  input: NetworkInput,
  output: string,
): Promise<ReferenceRunner> {
  const { session, ort } = await openSession(model, file)
  const size = elements(input.shape)
  const places = ourPlaces(input)
  return {
    name: `onnxruntime-node ${ort.env.versions.node ?? ort.env.versions.common}`,
    run: async (image) => {
      if (image.length !== size) throw new RangeError(`an image of ${size} elements was expected, got ${image.length}`)
      const data = new Float32Array(input.batch * size)
      for (let i = 0; i < data.length; i++) data[i] = image[places[i % size]]
      const tensor = new ort.Tensor('float32', data, [input.batch, ...input.dims])
      const results = await session
        .run({ [input.name]: tensor }, [output])
        .catch((cause: unknown): never => notRun(file, cause))
      const { data: logits } = results[output]
      if (!(logits instanceof Float32Array)) throw new TypeError('the output is not float32')
      return logits.slice(0, logits.length / input.batch)
    },
    close: () => session.release(),
  }
}
