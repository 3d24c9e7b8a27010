/** Where the weights of layers are found: by the variables' names, or in the order in which Keras 3 stores them. */
import { AdytonError } from '../../errors/errors.ts'

export interface StoredTensor {
  readonly shape: readonly number[]
  readonly data: Float32Array
}

/** A layer in the file. */
export interface Place {
  readonly name: string
  /** Names of the models around it, outermost first. */
  readonly models: readonly string[]
  /** Its group in a Keras 3 file: 'layers/conv2d_1'. */
  readonly group: string
}

export interface WeightSource {
  /** The variable of a layer by any of `names`, which is its `index`-th; undefined where there is none. */
  readonly find: (place: Place, index: number, names: readonly string[]) => StoredTensor | undefined
  /** The group of a layer inside `parent`, by what Keras 3 would call it and by the layer's own name. */
  readonly group: (parent: string, counted: string, name: string) => string
}

const MAX_TENSORS = 20_000

/**
 * Variables named '<layer>/<variable>', with what else Keras puts between and before: the model, the layer's name again, and
 * ':0' at the end.
 */
export function namedWeights(tensors: ReadonlyMap<string, StoredTensor>, file: string): WeightSource {
  if (tensors.size > MAX_TENSORS) {
    throw new AdytonError('file-corrupt', `${file}: ${tensors.size} tensors, expected at most ${MAX_TENSORS}`)
  }
  const byVariable = new Map<string, [string, StoredTensor][]>()
  for (const [key, tensor] of tensors) {
    const name = key.replace(/:0$/, '')
    const variable = name.slice(name.lastIndexOf('/') + 1)
    const list = byVariable.get(variable) ?? []
    list.push([`/${name}`, tensor])
    byVariable.set(variable, list)
  }
  return {
    group: () => '',
    find: ({ name, models }, _, names) => {
      const all = names.flatMap((variable) => byVariable.get(variable) ?? [])
      const named = all.filter(([key]) => key.includes(`/${name}/`))
      const exact = named.filter(([key]) => names.some((variable) => key === `/${name}/${variable}`))
      if (models.length === 0 && exact.length === 1) return exact[0][1]
      const grouped = named.filter(([key]) => key.startsWith(`/${models[0] ?? name}/`))
      const found = grouped.length > 0 ? grouped : exact.length > 0 ? exact : named
      if (found.length > 1) {
        const what = `layer '${name.slice(0, 128)}': '${found[0][0].slice(1, 129)}' and '${found[1][0].slice(1, 129)}'`
        throw new AdytonError('file-unsupported', `${file}: ${what} are both its ${names[0]}`, {
          advice: 'Give every layer a name of its own.',
        })
      }
      return found[0]?.[1]
    },
  }
}

/** Files of Keras' saving_lib: 'layers/<class>_<n>/vars/<i>', the name of the layer as an attribute in newer ones. */
export function storedWeights(
  tensors: ReadonlyMap<string, StoredTensor>,
  texts: ReadonlyMap<string, string>,
): WeightSource {
  const byName = new Map<string, string>()
  for (const [key, name] of texts) {
    const group = /^\/(.+)\/vars\/name$/.exec(key)?.[1]
    if (group !== undefined) byName.set(`${group.slice(0, group.lastIndexOf('/'))}\n${name}`, group)
  }
  // Keras 2.13 kept the layers under another name.
  const old = [...tensors.keys()].some((key) => key.startsWith(`${OLD_LAYERS}/`))
  return {
    group: (parent, counted, name) => {
      const list = `${parent === '' ? '' : `${parent}/`}${old ? OLD_LAYERS : 'layers'}`
      return byName.get(`${list}\n${name}`) ?? `${list}/${counted}`
    },
    find: ({ group }, index) => tensors.get(`${group}/vars/${index}`),
  }
}

const OLD_LAYERS = '_layer_checkpoint_dependencies'

/** How Keras turns a class into the name of a group. */
export function snakeCase(className: string): string {
  return className
    .replaceAll(/\W+/g, '')
    .replaceAll(/(.)([A-Z][a-z]+)/g, '$1_$2')
    .replaceAll(/([a-z])([A-Z])/g, '$1_$2')
    .toLowerCase()
}
