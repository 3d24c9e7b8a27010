/** Costs of the server's work on shares. */
import { randomFillSync } from 'node:crypto'
import type { Kernels } from '../../kernels/index.ts'
import { ring } from '../../ring/ring.ts'
import { pack, unpack } from '../../ring/packing.ts'
import { add, fromWords, gather, scatter, truncateServer, zeros } from '../../ring/vector.ts'
import type { Costs } from './costs.ts'
import { least, type Timing } from './timing.ts'

/** A layer of ResNet-18 at 32 x 32. */
const CHANNELS = 128
const SIDE = 16
const ELEMENTS = CHANNELS * SIDE * SIDE

export async function ringCosts(kernels: Kernels, timing: Timing, channels = CHANNELS): Promise<Costs['ring']> {
  const geometry = {
    ...{ inChannels: channels, inHeight: SIDE, inWidth: SIDE, outChannels: channels },
    ...{ kernelHeight: 3, kernelWidth: 3, stride: 1, padding: 1, groups: 1 },
  }
  const weights = randomFillSync(new Int32Array(channels * channels * 9)).map((w) => w >> 19)
  const words = randomFillSync(new Uint32Array(2 * channels * SIDE * SIDE))
  const macs = (weights.length * SIDE * SIDE) / 1e6
  const convolve = (stride: 1 | 2): Promise<number> =>
    least(() => kernels.conv2d(words.subarray(0, (words.length * stride) / 2), stride, weights, geometry), timing)
  const wide = ring(59)
  const share = fromWords(
    wide,
    ELEMENTS,
    randomFillSync(new Uint32Array(2 * ELEMENTS)).map((w, i) => w >>> (5 * (i & 1))),
  )
  const output = zeros(wide, ELEMENTS)
  const positions = Uint32Array.from({ length: ELEMENTS }, (_, i) => i)
  const rescale = (): void => scatter(output, positions, add(truncateServer(gather(share, positions), 12, wide), share))
  const million = async (run: () => unknown): Promise<number> => (await least(run, timing)) / (ELEMENTS / 1e6)
  return {
    narrow: (await convolve(1)) / macs,
    wide: (await convolve(2)) / macs,
    add: await million(() => add(share, share)),
    rescale: await million(rescale),
    pack: await million(() => unpack(wide, ELEMENTS, pack(share))),
  }
}
