/**
 * HDF5 files by h5wasm, the HDF Group's own C library in WebAssembly with a file system in memory: a file cannot name
 * another one on this machine. Every file gets a thread and with it a fresh library, because a damaged one can leave the
 * library unusable or never end.
 */
import { Worker } from 'node:worker_threads'
import { AdytonError } from '../../errors/errors.ts'
import type { Hdf5Contents, Hdf5Reply, Hdf5Task } from './hdf5-worker.ts'

export type { Hdf5Contents } from './hdf5-worker.ts'

/** The weights that a network may have at most, as float32, are 1 GiB. */
export const MAX_HDF5_BYTES = 2 ** 30 + 2 ** 26
const TIME_LIMIT_MS = 120_000
const SIGNATURE = Buffer.from([0x89, 0x48, 0x44, 0x46, 0x0d, 0x0a, 0x1a, 0x0a])

/** True for the first bytes of an HDF5 file without a user block, which Keras never writes. */
export function isHdf5(head: Uint8Array): boolean {
  return SIGNATURE.equals(head.subarray(0, SIGNATURE.length))
}

/**
 * All numbers of a file, as float32, and its texts; `bytes` is left unusable. `name` is for messages.
 * Throws AdytonError 'file-corrupt' or 'file-unsupported'.
 */
export async function readHdf5(
  bytes: Uint8Array<ArrayBuffer>,
  name: string,
  skip: readonly string[],
): Promise<Hdf5Contents> {
  const corrupt = (reason: string, cause?: unknown): AdytonError =>
    new AdytonError('file-corrupt', `${name}: ${reason}`, { advice: 'Fetch or export the file again.', cause })
  if (bytes.length > MAX_HDF5_BYTES) throw corrupt(`more than ${MAX_HDF5_BYTES} bytes`)
  if (!isHdf5(bytes)) throw corrupt('is not an HDF5 file')
  const reply = await inThread({ bytes, skip }, (cause) => corrupt('cannot be read', cause))
  if ('corrupt' in reply) throw corrupt(`is damaged (${reply.corrupt.slice(0, 300)})`)
  if ('unsupported' in reply) {
    throw new AdytonError('file-unsupported', `${name}: ${reply.unsupported}`, {
      advice: 'Save the model again with Keras, in float32 and in one file.',
    })
  }
  return reply.contents
}

async function inThread(task: Hdf5Task, failure: (cause: unknown) => AdytonError): Promise<Hdf5Reply> {
  // A whole buffer is handed over; a view into Node's pool is copied first.
  const bytes = task.bytes.byteLength === task.bytes.buffer.byteLength ? task.bytes : task.bytes.slice()
  const worker = new Worker(new URL('./hdf5-worker.ts', import.meta.url), {
    name: 'adyton-hdf5',
    workerData: { ...task, bytes },
    transferList: [bytes.buffer],
    execArgv: [],
    // The library prints its own account of every error.
    stdout: true,
    stderr: true,
  })
  let timer: NodeJS.Timeout | undefined
  try {
    return await new Promise<Hdf5Reply>((resolve, reject) => {
      timer = setTimeout(() => reject(failure(new Error(`took over ${TIME_LIMIT_MS / 1000} s`))), TIME_LIMIT_MS)
      worker.once('message', resolve)
      worker.once('error', (cause) => reject(failure(cause)))
      worker.once('exit', (code) => reject(failure(new Error(`exit code ${code}`))))
    })
  } finally {
    clearTimeout(timer)
    await worker.terminate()
  }
}
