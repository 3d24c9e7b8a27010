/** Writes a model of the catalog as ONNX, for other programs. */
import { existsSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { AdytonError } from '../errors/errors.ts'
import { readModel } from '../formats/model-directory.ts'
import { writeOnnx, type OnnxWriteOptions } from '../formats/onnx/write.ts'
import { systemFiles } from '../protocol/store/files.ts'
import { beside } from './beside.ts'
import { exportModel } from './export.ts'
import type { Zoo } from './zoo.ts'

export interface OnnxExported {
  readonly id: string
  readonly path: string
  readonly bytes: number
}

/** The file appears whole or not at all; it must not exist. Checksums of what the catalog has are compared first. */
export async function exportOnnx(
  zoo: Zoo,
  id: string,
  target: string,
  options: OnnxWriteOptions = {},
): Promise<OnnxExported> {
  const path = resolve(target)
  if (existsSync(path)) {
    throw new AdytonError('usage', `${path} exists already`, { advice: 'Name a file that does not exist yet.' })
  }
  return await zoo.files.staging(async (staging) => {
    const folder = join(staging, 'model')
    await exportModel(zoo, id, folder)
    const bytes = writeOnnx(await readModel(folder), options)
    return await beside(path, async (building) => {
      const file = await systemFiles.create(building)
      try {
        await file.write(bytes)
        await file.sync()
      } finally {
        await file.close()
      }
      return { id, path, bytes: bytes.length }
    })
  })
}
