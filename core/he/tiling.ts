/**
 * Choosing a tiling: a cost model and an exact search for the tiling that it likes best.
 *
 * Both parties' work and the traffic count the same: one number, milliseconds, summed over
 * - an upload: client's encryption, server's transform to NTT form, bytes;
 * - a weight plaintext's transform to NTT form, once for all tiles of the image;
 * - a product: multiply and add;
 * - an answer: encryption of zero, transform from NTT form, client's decryption, bytes.
 * Results' own bytes are the same for every tiling and left out. Times are those of our kernels with AVX-512 on one core
 * with two primes of 60 bits (test/bench/he.ts), whatever the machine (docs/decisions/0011-fixed-tilings.md); more primes
 * scale all of them alike, so the choice does not depend on the parameters.
 */
import type { ConvGeometry } from '../ring/geometry.ts'
import { frame, geometryKey, groupBlocks, layoutOf, resultCount, tileCount } from './layout.ts'
import type { Tiling } from './types.ts'

/** Uploads, products and answers of a step. */
export interface TilingCounts {
  readonly inputs: number
  readonly products: number
  readonly answers: number
  /** Coefficients that carry a result, by answer. */
  readonly resultCoefficients: readonly number[]
}

/** Milliseconds. */
export const COST = {
  encrypt: 0.6,
  /** Checking it and expanding its seed included. */
  toNtt: 0.18,
  plainToNtt: 0.036,
  /** And add. */
  multiply: 0.017,
  /** Masking and packing included. */
  fromNtt: 0.2,
  encryptZero: 0.5,
  decrypt: 0.3,
  /** A polynomial of N coefficients at 108 bits over 1 Gbit/s, by N. */
  coefficient: (108 / 1e9) * 1e3,
} as const

/** Cost of a valid tiling in the model's milliseconds. */
export function tilingCost(geometry: ConvGeometry, tiling: Tiling, polyDegree: number): number {
  const { inputs, products, answers } = tilingCounts(geometry, tiling, polyDegree)
  const tiles = tileCount(layoutOf(geometry, tiling, polyDegree))
  return cost(inputs, products, answers, tiles, polyDegree)
}

function cost(inputs: number, products: number, answers: number, tiles: number, polyDegree: number): number {
  const poly = COST.coefficient * polyDegree
  return (
    inputs * (COST.encrypt + COST.toNtt + poly) +
    (products / tiles) * COST.plainToNtt +
    products * COST.multiply +
    answers * (COST.encryptZero + COST.fromNtt + COST.decrypt + poly)
  )
}

/** The distinct values of ceil(total / n), each the smallest part that cuts `total` into so many pieces; descending. */
function parts(total: number): number[] {
  const sizes: number[] = []
  for (let size = total; size >= 1;) {
    sizes.push(size)
    // The next smaller size that gives more pieces.
    const pieces = Math.ceil(total / size)
    const next = Math.ceil(total / (pieces + 1))
    size = next < size ? next : size - 1
  }
  return sizes.filter((size) => Math.ceil(total / Math.ceil(total / size)) === size)
}

const chosen = new Map<string, Tiling>()

/**
 * The tiling of least {@link tilingCost}. Exact: for a given number of tiles and blocks the smallest ones leave the
 * most room for output channels, and the search goes through all of those. Throws AdytonError 'plan-invalid' for an
 * invalid geometry and for one whose smallest tile, one output of one channel, exceeds N.
 */
export function chooseTiling(geometry: ConvGeometry, polyDegree: number): Tiling {
  const key = `${polyDegree} ${geometryKey(geometry)}`
  const known = chosen.get(key)
  if (known !== undefined) return known
  const g = geometry
  // Checks the geometry; a tile of one output always lines up.
  layoutOf(g, { channels: 1, outputs: 1, height: g.kernelHeight, width: g.kernelWidth }, polyDegree)
  const { outHeight, outWidth, stride } = frame(g)
  const perGroup = g.inChannels / g.groups
  const channelSizes = [
    ...(g.groups > 1 ? parts(g.groups).filter((groups) => groups > 1) : []).map((groups) => groups * perGroup),
    ...parts(perGroup),
  ]
  let best: { tiling: Tiling; cost: number } | undefined
  for (const rows of parts(outHeight)) {
    const height = (rows - 1) * stride + g.kernelHeight
    for (const columns of parts(outWidth)) {
      const width = (columns - 1) * stride + g.kernelWidth
      const tiles = Math.ceil(outHeight / rows) * Math.ceil(outWidth / columns)
      for (const channels of channelSizes) {
        const room = Math.min(g.outChannels, Math.floor(polyDegree / (channels * height * width)))
        if (room < 1) continue
        const inputs = tiles * groupBlocks(channels, perGroup, 0, g.groups).end
        for (let outputs = room; outputs >= 1; outputs--) {
          const answers = tiles * Math.ceil(g.outChannels / outputs)
          // Fewer output channels an answer only add answers, so nothing below can win either.
          if (best !== undefined && cost(inputs, 0, answers, tiles, polyDegree) >= best.cost) break
          const products = tiles * productsPerTile(g, channels, outputs)
          const total = cost(inputs, products, answers, tiles, polyDegree)
          if (best === undefined || total < best.cost) {
            best = { tiling: { channels, outputs, height, width }, cost: total }
          }
          if (g.groups === 1) break
        }
      }
    }
  }
  if (best === undefined) throw new RangeError('no tiling found for a valid geometry')
  chosen.set(key, best.tiling)
  return best.tiling
}

/** Throws AdytonError 'plan-invalid' unless the tiling is valid for the geometry; see {@link layoutOf}. */
export function checkTiling(geometry: ConvGeometry, tiling: Tiling, polyDegree: number): void {
  layoutOf(geometry, tiling, polyDegree)
}

/** Products of one tile. */
function productsPerTile(g: ConvGeometry, channels: number, outputs: number): number {
  const runs = Math.ceil(g.outChannels / outputs)
  if (g.groups === 1) return runs * Math.ceil(g.inChannels / channels)
  const per = g.outChannels / g.groups
  let products = 0
  for (let run = 0; run < runs; run++) {
    const last = Math.min((run + 1) * outputs, g.outChannels) - 1
    const range = groupBlocks(
      channels,
      g.inChannels / g.groups,
      Math.floor((run * outputs) / per),
      Math.floor(last / per) + 1,
    )
    products += range.end - range.start
  }
  return products
}

/** Ciphertexts and products that a step takes. */
export function tilingCounts(geometry: ConvGeometry, tiling: Tiling, polyDegree: number): TilingCounts {
  const layout = layoutOf(geometry, tiling, polyDegree)
  const tiles = tileCount(layout)
  const answers = tiles * layout.runs
  return {
    inputs: tiles * layout.blocks,
    products: tiles * productsPerTile(geometry, tiling.channels, tiling.outputs),
    answers,
    resultCoefficients: Array.from({ length: answers }, (_, answer) => resultCount(layout, answer)),
  }
}
