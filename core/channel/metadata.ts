/**
 * The four functions of the metadata proposal that @peculiar/x509 2.2 wants on `Reflect` before it is imported
 * (its dependency-injection container refuses to load without them). A polyfill package would do the same.
 */
interface MetadataReflect {
  getMetadata?: (key: unknown, target: object) => unknown
  getOwnMetadata?: (key: unknown, target: object) => unknown
  defineMetadata?: (key: unknown, value: unknown, target: object) => void
  metadata?: (key: unknown, value: unknown) => (target: object) => void
}

const reflect = Reflect as MetadataReflect

if (reflect.getMetadata === undefined) {
  const store = new WeakMap<object, Map<unknown, unknown>>()
  const own = (key: unknown, target: object): unknown => store.get(target)?.get(key)
  const define = (key: unknown, value: unknown, target: object): void => {
    const entries = store.get(target) ?? new Map<unknown, unknown>()
    store.set(target, entries.set(key, value))
  }
  reflect.getOwnMetadata = own
  reflect.getMetadata = (key, target) => {
    for (let at: object | null = target; at !== null; at = Reflect.getPrototypeOf(at)) {
      const value = own(key, at)
      if (value !== undefined) return value
    }
    return undefined
  }
  reflect.defineMetadata = define
  reflect.metadata = (key, value) => (target) => define(key, value, target)
}
