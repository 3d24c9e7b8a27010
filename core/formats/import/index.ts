/** Every format that can be imported; a new one is a line here. */
import { keras } from '../keras/read-keras.ts'
import { onnx } from '../onnx/read.ts'
import { tfjs } from '../tfjs/read-tfjs.ts'
import type { ImportFormat } from './format.ts'

export const IMPORT_FORMATS: readonly ImportFormat[] = [onnx, keras, tfjs]

/** The format of a file or a folder; undefined when it is none of them. */
export async function formatOf(path: string, formats = IMPORT_FORMATS): Promise<ImportFormat | undefined> {
  for (const format of formats) if (await format.match(path)) return format
  return undefined
}
