/** Circuits are pure functions of small public parameters; each is built once. */
import type { Circuit } from '../../kernels/interface.ts'

const circuits = new Map<string, Circuit>()

/** The circuit under `key`, built on first use. */
export function cached(key: string, build: () => Circuit): Circuit {
  let circuit = circuits.get(key)
  if (circuit === undefined) {
    circuit = build()
    circuits.set(key, circuit)
  }
  return circuit
}

/** Throws RangeError unless `value` is an integer from `min` to `max`. */
export function checkRange(what: string, value: number, min: number, max: number): void {
  if (!Number.isInteger(value) || value < min || value > max) {
    throw new RangeError(`${what} must be an integer from ${min} to ${max}, got ${value}`)
  }
}
