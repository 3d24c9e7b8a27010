/**
 * Tensors whose numbers are in another file (github.com/onnx/onnx, docs/ExternalData.md). A model may name only files
 * in its own folder: no absolute path, no '..', no link that leads outside.
 */
import { closeSync, fstatSync, openSync, readSync, realpathSync, statSync } from 'node:fs'
import { dirname, isAbsolute, join, sep } from 'node:path'
import { AdytonError } from '../../errors/errors.ts'
import type { OnnxTensor } from './proto.ts'

/** `size` bytes of a tensor of the model `file`. Throws AdytonError 'file-corrupt' or 'file-not-found'. */
export function readExternal(tensor: OnnxTensor, size: number, file: string): Uint8Array {
  const where = `${file}: tensor '${(tensor.name ?? '').slice(0, 128)}'`
  const corrupt = (reason: string, advice = 'Fetch or export the model again.'): never => {
    throw new AdytonError('file-corrupt', `${where} ${reason}`, { advice })
  }
  const entry = (key: string): string | undefined => tensor.externalData.find((e) => e.key === key)?.value
  const number = (key: string, otherwise: number): number => {
    const text = entry(key) ?? String(otherwise)
    return /^\d{1,15}$/.test(text) ? Number(text) : corrupt(`has ${key} '${text.slice(0, 32)}' in another file`)
  }
  const location = entry('location') ?? ''
  const resolved = resolveInside(location, dirname(file), where)
  const offset = number('offset', 0)
  const length = number('length', size)
  if (length !== size) corrupt(`takes ${size} bytes, '${location}' is said to hold ${length}`)
  const handle = openFile(resolved, location, where)
  try {
    const available = fstatSync(handle).size
    if (offset + size > available) corrupt(`ends at byte ${offset + size} of '${location}', which has ${available}`)
    const bytes = Buffer.alloc(size)
    let done = 0
    while (done < size) {
      const n = readSync(handle, bytes, done, size - done, offset + done)
      if (n === 0) corrupt(`ends early: '${location}' was shortened while it was read`)
      done += n
    }
    return bytes
  } finally {
    closeSync(handle)
  }
}

function resolveInside(location: string, folder: string, where: string): string {
  const outside = (): never => {
    throw new AdytonError(
      'file-corrupt',
      `${where} names data outside the model's folder: '${location.slice(0, 128)}'`,
      {
        advice: 'Only files beside the model, or in folders beside it, are read. Do not trust this model.',
      },
    )
  }
  const parts = location.split(/[\\/]/)
  if (location === '' || isAbsolute(location) || /^[A-Za-z]:|\0/.test(location) || parts[0] === '') outside()
  if (parts.includes('..')) outside()
  const root = realpathSync(folder)
  const path = realPath(join(root, location), location, where)
  if (!path.startsWith(root.endsWith(sep) ? root : root + sep)) outside()
  return path
}

function unreadable(location: string, where: string, cause: unknown): never {
  const text = `${where} has its data in '${location.slice(0, 128)}', which cannot be read`
  throw new AdytonError('file-not-found', text, { advice: 'Put that file beside the model.', cause })
}

function openFile(path: string, location: string, where: string): number {
  try {
    return openSync(path, 'r')
  } catch (cause) {
    return unreadable(location, where, cause)
  }
}

function realPath(path: string, location: string, where: string): string {
  let real: string
  try {
    real = realpathSync(path)
  } catch (cause) {
    return unreadable(location, where, cause)
  }
  if (!statSync(real).isFile()) {
    throw new AdytonError('file-corrupt', `${where} has its data in '${location.slice(0, 128)}', which is no file`, {
      advice: 'Fetch or export the model again.',
    })
  }
  return real
}
