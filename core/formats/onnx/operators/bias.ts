/** An addition of constants that the layer before it takes in as its bias. */
import type { Call } from '../call.ts'

/**
 * The bias of a layer with `channels` outputs: its own, and that of an addition which alone reads its result. The
 * result has `axes` axes after the batch, the first of them its channels.
 */
export function takeBias(call: Call, channels: number, axes: number, own?: Float32Array): Float32Array | undefined {
  if (own !== undefined && own.length !== channels) {
    call.refuse(`${own.length} biases for ${channels} channels`, 'The file is damaged: export it again.')
  }
  const [output] = call.node.output
  const reader = call.reading.onlyReader(output)
  if (reader?.opType !== 'Add' || reader.input.length !== 2) return own
  const other = reader.input[reader.input[0] === output ? 1 : 0]
  const value = call.reading.lookup(other)
  if (value?.kind !== 'constant' || !(value.data instanceof Float32Array)) return own
  // From the end: `axes` - 1 of size 1, the channels, and then nothing but 1.
  const sizes = value.dims.toReversed()
  const place = axes - 1
  if (sizes.length > axes + 1 || sizes.some((size, i) => size !== 1 && i !== place)) return own
  const { data } = value
  if (data.length !== 1 && data.length !== channels) return own
  call.reading.fused.add(reader)
  return Float32Array.from({ length: channels }, (_, c) => data[data.length === 1 ? 0 : c] + (own?.[c] ?? 0))
}
