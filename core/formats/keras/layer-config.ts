/** The settings of one layer, checked as they are read. */
import type { Origin, Pads } from '../import/builder.ts'
import { refuseNode } from '../import/format.ts'
import { LIMITS } from '../../network/shapes.ts'
import type { DataFormat } from './values.ts'

export class LayerConfig {
  readonly #origin: Origin
  readonly #values: Readonly<Record<string, unknown>>

  constructor(origin: Origin, values: Readonly<Record<string, unknown>>) {
    this.#origin = origin
    this.#values = values
  }

  /** A whole number from 1. */
  count(key: string, otherwise?: number): number {
    const value = this.#values[key] ?? otherwise
    return this.#whole(key, value, 1, LIMITS.channels)
  }

  number(key: string, otherwise: number): number {
    const value = this.#values[key] ?? otherwise
    return typeof value === 'number' && Number.isFinite(value) ? value : this.#wrong(key, value)
  }

  flag(key: string, otherwise: boolean): boolean {
    const value = this.#values[key] ?? otherwise
    return typeof value === 'boolean' ? value : this.#wrong(key, value)
  }

  /** [vertical, horizontal], or one number for both. */
  pair(key: string, otherwise?: readonly [number, number]): readonly [number, number] {
    const value = this.#values[key] ?? otherwise
    const list: unknown[] = Array.isArray(value) ? value : [value, value]
    if (list.length !== 2) return this.#wrong(key, value)
    return [this.#whole(key, list[0], 1, LIMITS.kernel), this.#whole(key, list[1], 1, LIMITS.kernel)]
  }

  /** Numbers in any nesting, or a single one; undefined for null. At most as many as a map has channels. */
  numbers(key: string): number[] | undefined {
    const value = this.#values[key]
    if (value === null || value === undefined) return undefined
    const list: unknown[] = Array.isArray(value) ? value.flat(4) : [value]
    const wrong = list.length === 0 || list.length > LIMITS.channels
    if (wrong || !list.every((item) => typeof item === 'number' && Number.isFinite(item)))
      return this.#wrong(key, value)
    return list as number[]
  }

  integers(key: string): number[] | undefined {
    const value = this.#values[key]
    if (Array.isArray(value) && value.length === 0) return []
    const list = this.numbers(key)
    return list === undefined || (list.length <= 8 && list.every(Number.isSafeInteger)) ? list : this.#wrong(key, value)
  }

  /** Keras 2 writes [3], Keras 3 writes 3 or -1. */
  axis(): number {
    const [axis, ...rest] = this.integers('axis') ?? [-1]
    return rest.length === 0 ? axis : this.#wrong('axis', this.#values['axis'])
  }

  padding(): 'same' | 'valid' {
    const value = this.#values['padding'] ?? 'valid'
    if (value === 'same' || value === 'valid') return value
    const { name, operator } = this.#origin
    return refuseNode(name, operator, `padding ${shown(value)}`, "Only 'same' and 'valid' can be run.")
  }

  /** Of a ZeroPadding2D: n, [vertical, horizontal] or [[top, bottom], [left, right]]. */
  zeroPadding(): Pads {
    const value: unknown = this.#values['padding'] ?? 1
    const [vertical, horizontal]: unknown[] = Array.isArray(value) ? (value as unknown[]) : [value, value]
    const both = (side: unknown): [number, number] => {
      const [a, b]: unknown[] = Array.isArray(side) ? (side as unknown[]) : [side, side]
      return [this.#whole('padding', a, 0, LIMITS.padding), this.#whole('padding', b, 0, LIMITS.padding)]
    }
    const [top, bottom] = both(vertical)
    const [left, right] = both(horizontal)
    return [top, left, bottom, right]
  }

  format(): DataFormat | undefined {
    const value = this.#values['data_format'] ?? undefined
    if (value === undefined || value === 'channels_last' || value === 'channels_first') return value
    return this.#wrong('data_format', value)
  }

  /** The name of the activation; 'linear' for none. */
  activation(): string {
    const value = this.#values['activation'] ?? 'linear'
    if (typeof value === 'string') return value
    // Keras 3 writes functions, its own and others, as objects.
    const named = typeof value === 'object' ? (value as { readonly class_name?: unknown }).class_name : undefined
    const { name, operator } = this.#origin
    const what = `activation ${shown(named ?? value)}`
    return refuseNode(name, operator, what, 'Give the activation by its name, or as a layer of its own.')
  }

  #whole(key: string, value: unknown, min: number, max: number): number {
    const whole = typeof value === 'number' && Number.isInteger(value) && value >= min && value <= max
    return whole ? value : this.#wrong(key, value)
  }

  #wrong(key: string, value: unknown): never {
    const { name, operator } = this.#origin
    return refuseNode(name, operator, `${key} ${shown(value)}`, 'The file is damaged, or beyond what can be run.')
  }
}

function shown(value: unknown): string {
  return (JSON.stringify(value) ?? 'is missing').slice(0, 64)
}
