/** Padding of windows that slide over a map: explicit, or worked out from the sizes (auto_pad). */
import type { Pads } from '../../import/builder.ts'
import { shapeText } from '../../../network/shapes.ts'
import type { Call } from '../call.ts'
import type { Activation } from '../values.ts'

export interface Window {
  readonly kernel: readonly [number, number]
  readonly strides: readonly [number, number]
  readonly dilations: readonly [number, number]
}

/** Sizes and pads are far below this in any network that can be run; sums of them stay exact. */
const MAX_PAD = 2 ** 20

/** [top, left, bottom, right] from ONNX's order, all the starts and then all the ends. */
export function padsOf(call: Call, numbers: readonly number[]): Pads {
  if (numbers.length !== 4)
    call.refuse(`${numbers.length} pads`, 'Only layers over pictures (two dimensions) can be run.')
  if (numbers.some((pad) => pad < 0)) {
    call.refuse(`negative pads ${shapeText(numbers)}`, 'A layer that cuts off a border cannot be run.')
  }
  if (numbers.some((pad) => pad > MAX_PAD)) call.refuse(`pads ${shapeText(numbers)}`, 'The file is damaged.')
  const [top, left, bottom, right] = numbers
  return [top, left, bottom, right]
}

export function addPads(a: Pads, b: Pads = [0, 0, 0, 0]): Pads {
  return [a[0] + b[0], a[1] + b[1], a[2] + b[2], a[3] + b[3]]
}

/** Height and width of a map with the padding that is still to be put around it. */
export function paddedSize({ shape, pads = [0, 0, 0, 0] }: Activation): readonly [number, number] {
  return [(shape[1] ?? 1) + pads[0] + pads[2], (shape[2] ?? 1) + pads[1] + pads[3]]
}

/** The padding that a node itself asks for. */
export function windowPads(call: Call, value: Activation, window: Window): Pads {
  const auto = call.text('auto_pad', 'NOTSET')
  if (auto === 'NOTSET' || auto === '') return padsOf(call, call.ints('pads') ?? [0, 0, 0, 0])
  if (auto === 'VALID') return [0, 0, 0, 0]
  if (auto !== 'SAME_UPPER' && auto !== 'SAME_LOWER') call.refuse(`auto_pad '${auto}'`, 'Export it again.')
  const [vertical, horizontal] = paddedSize(value).map((size, i) => {
    const reach = (window.kernel[i] - 1) * window.dilations[i] + 1
    const total = Math.max(0, (Math.ceil(size / window.strides[i]) - 1) * window.strides[i] + reach - size)
    const less = Math.floor(total / 2)
    return auto === 'SAME_UPPER' ? [less, total - less] : [total - less, less]
  })
  return [vertical[0], horizontal[0], vertical[1], horizontal[1]]
}
