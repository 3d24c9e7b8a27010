/** Reads an HDF5 file in a thread of its own; see hdf5.ts. */
import { parentPort, workerData } from 'node:worker_threads'
import * as hdf5 from 'h5wasm'
import { elements, LIMITS } from '../../network/shapes.ts'

export interface Hdf5Task {
  readonly bytes: Uint8Array<ArrayBuffer>
  /** Names of groups at the top that are passed over. */
  readonly skip: readonly string[]
}

export interface Hdf5Contents {
  /** Attributes that are single strings, of the root, of groups at the top and of groups 'vars': '/group/attribute'. */
  readonly texts: ReadonlyMap<string, string>
  /** Datasets of numbers by path, without a slash at the beginning. */
  readonly arrays: ReadonlyMap<string, { readonly shape: readonly number[]; readonly data: Float32Array }>
}

export type Hdf5Reply =
  { readonly contents: Hdf5Contents } | { readonly unsupported: string } | { readonly corrupt: string }

const BOUNDS = { depth: 32, objects: 100_000, textBytes: 64 * 2 ** 20, nameLength: 2048 }
const INTEGER = 0
const FLOAT = 1
const TEXT = 3

class Unsupported extends Error {}

class Walk {
  readonly texts = new Map<string, string>()
  readonly arrays = new Map<string, { shape: readonly number[]; data: Float32Array }>()
  readonly #skip: readonly string[]
  #objects = 0
  #elements = 0

  constructor(skip: readonly string[]) {
    this.#skip = skip
  }

  group(group: hdf5.Group, path: string, depth: number): void {
    if (depth > BOUNDS.depth) throw new Error('groups within groups without end')
    if (depth < 2 || path.endsWith('/vars')) this.#attributes(group, path)
    for (const name of group.keys()) {
      if (depth === 0 && this.#skip.includes(name)) continue
      if (++this.#objects > BOUNDS.objects) throw new Error(`more than ${BOUNDS.objects} objects`)
      const full = path === '' ? name : `${path}/${name}`
      if (full.length > BOUNDS.nameLength) throw new Error('a name without end')
      const entity = group.get(name)
      if (entity instanceof hdf5.Group) this.group(entity, full, depth + 1)
      else if (entity instanceof hdf5.Dataset) this.#dataset(entity, full)
      else throw new Unsupported(`'${full.slice(0, 128)}' is neither a group nor a dataset of this file`)
    }
  }

  #attributes(group: hdf5.Group, path: string): void {
    for (const [name, attribute] of Object.entries(group.attrs)) {
      const { type, shape, vlen, size } = attribute.metadata
      if (type !== TEXT || (shape !== null && elements(shape) !== 1)) continue
      if (!vlen && size > BOUNDS.textBytes) throw new Error(`attribute '${name.slice(0, 64)}' claims ${size} bytes`)
      const { value } = attribute
      const text: unknown = Array.isArray(value) ? value[0] : value
      if (typeof text === 'string') this.texts.set(`${path === '' ? '' : `/${path}`}/${name}`, text)
    }
  }

  #dataset(dataset: hdf5.Dataset, path: string): void {
    const { type, shape, size, vlen, virtual_sources: virtual } = dataset.metadata
    if (shape === null || vlen || (type !== FLOAT && type !== INTEGER)) {
      throw new Unsupported(`'${path.slice(0, 128)}' does not hold plain numbers`)
    }
    if (virtual !== undefined && virtual.length > 0) {
      throw new Unsupported(`'${path.slice(0, 128)}' is put together from other datasets`)
    }
    if (size > 8) throw new Error(`'${path.slice(0, 128)}' has numbers of ${size} bytes`)
    const count = elements(shape)
    this.#elements += count
    if (shape.length > 8 || !(this.#elements <= LIMITS.weights)) {
      throw new Unsupported(`up to '${path.slice(0, 128)}' there are more than ${LIMITS.weights} numbers`)
    }
    const value: unknown = count === 0 ? [] : dataset.value
    const data = toFloats(value)
    if (data?.length !== count) throw new Error(`the numbers of '${path.slice(0, 128)}' cannot be read`)
    this.arrays.set(path, { shape: [...shape], data })
  }
}

function toFloats(value: unknown): Float32Array | undefined {
  if (value instanceof Float32Array) return value
  if (typeof value === 'number' || typeof value === 'bigint') return Float32Array.of(Number(value))
  if (ArrayBuffer.isView(value) || Array.isArray(value)) {
    return Float32Array.from(value as unknown as ArrayLike<number | bigint>, Number)
  }
  return undefined
}

async function read({ bytes, skip }: Hdf5Task): Promise<Hdf5Reply> {
  try {
    const { FS } = await hdf5.ready
    FS.writeFile('file', bytes)
    const file = new hdf5.File('file', 'r')
    const walk = new Walk(skip)
    walk.group(file, '', 0)
    return { contents: { texts: walk.texts, arrays: walk.arrays } }
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error)
    return error instanceof Unsupported ? { unsupported: message } : { corrupt: message }
  }
}

parentPort?.postMessage(await read(workerData as Hdf5Task))
