/**
 * How a convolution is cut into ciphertexts (Cheetah, Huang et al. 2022, section 4; coefficient encoding).
 *
 * The padded input is cut into tiles of height x width that overlap by the kernel's halo, and its channels into
 * blocks of `channels`: one upload is one block of one tile. The output channels are cut into runs of `outputs`:
 * one answer is one run over one tile, the sum of one product per block that the run's groups read. A tile of
 * `channels * height * width` coefficients is the volume V of a slot; an answer has `outputs` slots side by side,
 * so outputs * V <= N. core/he/encoding.ts gives the coefficients.
 *
 * A 1x1 kernel needs no neighbourhood: its input is first subsampled by the stride and flattened to one row, so
 * a tile may be any run of pixels. With groups, a block lies inside one group or covers whole groups; slots of
 * one answer may belong to different groups, which is how a depthwise layer (a batch norm) packs its answers.
 */
import { AdytonError } from '../errors/errors.ts'
import { convOutput, type ConvGeometry } from '../ring/geometry.ts'
import type { Tiling } from './types.ts'

/** A tiling resolved against its geometry; everything in it is public. */
export interface Layout {
  readonly geometry: ConvGeometry
  readonly tiling: Tiling
  readonly polyDegree: number
  /** True for 1x1 kernels: the image is OH*OW pixels in one row, stride 1. */
  readonly flat: boolean
  /** Output of the convolution as the layout sees it: [1, OH*OW] when flat. */
  readonly outHeight: number
  readonly outWidth: number
  readonly stride: number
  /** Output rows and columns a tile yields. */
  readonly tileRows: number
  readonly tileColumns: number
  readonly tilesDown: number
  readonly tilesAcross: number
  /** Channel blocks of a tile and runs of output channels. */
  readonly blocks: number
  readonly runs: number
  /** V: coefficients of a slot. */
  readonly volume: number
  /** O: the result of slot m at output (i, j) is at m*V + O + i*stride*width + j*stride. */
  readonly offset: number
  readonly channelsPerGroup: number
  readonly outputsPerGroup: number
}

const natural = (value: number): boolean => Number.isSafeInteger(value) && value >= 1

function invalid(what: string): AdytonError {
  return new AdytonError('plan-invalid', `HE tiling: ${what}`, {
    advice: 'The model file is damaged or was made by an incompatible program.',
  })
}

/** Largest extent we accept in a geometry: keeps every derived count an exact integer and every loop finite. */
const MAX_EXTENT = 2 ** 20

const GEOMETRY_FIELDS = [
  'inChannels',
  'inHeight',
  'inWidth',
  'outChannels',
  'kernelHeight',
  'kernelWidth',
  'stride',
  'padding',
  'groups',
] as const satisfies readonly (keyof ConvGeometry)[]

/** A geometry as a string, the same for equal geometries. */
export function geometryKey(g: ConvGeometry): string {
  return GEOMETRY_FIELDS.map((name) => g[name]).join()
}

function checkGeometry(g: ConvGeometry): void {
  for (const name of GEOMETRY_FIELDS) {
    const value = g[name]
    const ok = name === 'padding' ? Number.isSafeInteger(value) && value >= 0 : natural(value)
    if (!ok || value > MAX_EXTENT) throw invalid(`geometry field ${name} is ${value}`)
  }
  if (g.inChannels % g.groups !== 0 || g.outChannels % g.groups !== 0) {
    throw invalid(`${g.groups} groups do not divide ${g.inChannels} input and ${g.outChannels} output channels`)
  }
  if (g.kernelHeight > g.inHeight + 2 * g.padding || g.kernelWidth > g.inWidth + 2 * g.padding) {
    throw invalid(`kernel ${g.kernelHeight}x${g.kernelWidth} is larger than the padded input`)
  }
}

/** The output that is tiled: the image, flattened for 1x1 kernels. */
export function frame(g: ConvGeometry): { flat: boolean; outHeight: number; outWidth: number; stride: number } {
  const { height, width } = convOutput(g)
  const flat = g.kernelHeight === 1 && g.kernelWidth === 1
  return flat
    ? { flat, outHeight: 1, outWidth: height * width, stride: 1 }
    : { flat, outHeight: height, outWidth: width, stride: g.stride }
}

function blockCount(g: ConvGeometry, channels: number): number {
  const perGroup = g.inChannels / g.groups
  return channels <= perGroup ? g.groups * Math.ceil(perGroup / channels) : Math.ceil(g.inChannels / channels)
}

/**
 * Resolves a tiling. Throws AdytonError 'plan-invalid' for any geometry or tiling that a peer could send and that
 * is not valid: fields that are no positive integers, tiles that do not line up with the stride or exceed the
 * image, blocks that cut across groups, or more than N coefficients.
 */
export function layoutOf(geometry: ConvGeometry, tiling: Tiling, polyDegree: number): Layout {
  checkGeometry(geometry)
  const g = geometry
  const { channels, outputs, height, width } = tiling
  for (const [name, value] of Object.entries({ channels, outputs, height, width })) {
    if (!natural(value)) throw invalid(`${name} is ${value}, not a positive integer`)
  }
  const perGroup = g.inChannels / g.groups
  if (channels > g.inChannels) throw invalid(`${channels} channels a ciphertext of ${g.inChannels}`)
  if (channels > perGroup && channels % perGroup !== 0) {
    throw invalid(`${channels} channels a ciphertext cut across groups of ${perGroup}`)
  }
  if (outputs > g.outChannels) throw invalid(`${outputs} output channels an answer of ${g.outChannels}`)
  const volume = channels * height * width
  if (!(outputs * volume <= polyDegree)) {
    throw invalid(`${outputs} x ${channels} x ${height} x ${width} coefficients exceed N = ${polyDegree}`)
  }
  const { flat, outHeight, outWidth, stride } = frame(g)
  const rows = (height - g.kernelHeight) / stride + 1
  const columns = (width - g.kernelWidth) / stride + 1
  if (!natural(rows) || !natural(columns) || rows > outHeight || columns > outWidth) {
    throw invalid(`tile ${height}x${width} does not fit kernel, stride and output ${outHeight}x${outWidth}`)
  }
  return {
    geometry,
    tiling: { channels, outputs, height, width },
    polyDegree,
    flat,
    outHeight,
    outWidth,
    stride,
    tileRows: rows,
    tileColumns: columns,
    tilesDown: Math.ceil(outHeight / rows),
    tilesAcross: Math.ceil(outWidth / columns),
    blocks: blockCount(g, channels),
    runs: Math.ceil(g.outChannels / outputs),
    volume,
    offset: height * width * (channels - 1) + width * (g.kernelHeight - 1) + g.kernelWidth - 1,
    channelsPerGroup: perGroup,
    outputsPerGroup: g.outChannels / g.groups,
  }
}

/** A half-open range. */
export interface Range {
  readonly start: number
  readonly end: number
}

/** Input channels of a block. */
export function blockChannels(layout: Layout, block: number): Range {
  const { channels } = layout.tiling
  const per = layout.channelsPerGroup
  if (channels > per) {
    return { start: block * channels, end: Math.min((block + 1) * channels, layout.geometry.inChannels) }
  }
  const perGroup = Math.ceil(per / channels)
  const group = Math.floor(block / perGroup)
  const first = (block % perGroup) * channels
  return { start: group * per + first, end: group * per + Math.min(first + channels, per) }
}

/** Output channels of a run. */
export function runOutputs(layout: Layout, run: number): Range {
  const { outputs } = layout.tiling
  return { start: run * outputs, end: Math.min((run + 1) * outputs, layout.geometry.outChannels) }
}

/** Blocks that a run of output channels reads: those that hold channels of its groups. */
export function runBlocks(layout: Layout, run: number): Range {
  const { start, end } = runOutputs(layout, run)
  return groupBlocks(
    layout.tiling.channels,
    layout.channelsPerGroup,
    Math.floor(start / layout.outputsPerGroup),
    Math.floor((end - 1) / layout.outputsPerGroup) + 1,
  )
}

/** Blocks that hold channels of the groups first .. end-1. */
export function groupBlocks(channels: number, perGroup: number, first: number, end: number): Range {
  if (channels > perGroup) {
    const groups = channels / perGroup
    return { start: Math.floor(first / groups), end: Math.ceil(end / groups) }
  }
  const blocks = Math.ceil(perGroup / channels)
  return { start: first * blocks, end: end * blocks }
}

/** Rows and columns of the (flattened) output that a tile yields; tiles are numbered row by row. */
export function tileOutputs(layout: Layout, tile: number): { readonly rows: Range; readonly columns: Range } {
  const down = Math.floor(tile / layout.tilesAcross)
  const across = tile % layout.tilesAcross
  const { tileRows, tileColumns } = layout
  return {
    rows: { start: down * tileRows, end: Math.min((down + 1) * tileRows, layout.outHeight) },
    columns: { start: across * tileColumns, end: Math.min((across + 1) * tileColumns, layout.outWidth) },
  }
}

/** Tiles of a layout. Upload tile*blocks + block and answer tile*runs + run are numbered tile by tile. */
export function tileCount(layout: Layout): number {
  return layout.tilesDown * layout.tilesAcross
}

/** Coefficients of an answer that carry a result. */
export function resultCount(layout: Layout, answer: number): number {
  const { rows, columns } = tileOutputs(layout, Math.floor(answer / layout.runs))
  const { start, end } = runOutputs(layout, answer % layout.runs)
  return (end - start) * (rows.end - rows.start) * (columns.end - columns.start)
}
