/**
 * Lowering: from a graph with real weights to a plan over the ring and integer weights.
 *
 * simplify.ts (structure) -> calibrate.ts (ranges) -> scales.ts (forward) -> rings.ts (reverse) -> here.
 */
import { AdytonError } from '../../errors/errors.ts'
import { floatRunner } from '../float.ts'
import type { Graph, Tensors } from '../graph.ts'
import { PLAN_VERSION, type LoweredModel, type Plan, type Step, type Tiling, type Value } from '../plan.ts'
import { elements } from '../shapes.ts'
import { assignRings, type Rings } from './rings.ts'
import { assignScales, type Scaled } from './scales.ts'
import { calibrate, toCalibration, toRanges, type Calibration } from './calibrate.ts'
import { isMasked, type Operation } from './operations.ts'
import {
  MASKED_PRECISIONS,
  PRECISIONS,
  resolveOptions,
  type HePlanner,
  type LowerOptions,
  type ResolvedOptions,
} from './options.ts'
import { simplify } from './simplify.ts'

function stepOf(
  op: Operation,
  i: number,
  scaled: readonly Scaled[],
  rings: Rings,
  weightBits: number,
): Step | undefined {
  const { id, inputs } = op
  const { shift, shifts, integers } = scaled[i]
  const one = { id, input: inputs[0], output: i }
  const circuitBits = rings.circuit[inputs[0]]
  switch (op.op) {
    case 'input':
      return undefined
    case 'linear': {
      const tiling = rings.tilings.get(i) as Tiling
      return { op: 'linear', ...one, geometry: op.geometry, tiling, weightBits, weightScale: integers?.scale ?? 0 }
    }
    case 'add':
      return { op: 'add', id, inputs: [inputs[0], inputs[1]], shifts: [shifts[0], shifts[1]], output: i }
    case 'concat':
      return { op: 'concat', id, inputs, shifts, output: i }
    case 'reshape':
      return { op: 'reshape', ...one }
    case 'sumPool':
      return { op: 'sumPool', ...one, ...windowOf(op.window) }
    case 'activation':
      return { op: 'activation', ...one, kept: op.kept, circuitBits, shift }
    case 'maxPool':
      return { op: 'maxPool', ...one, ...windowOf(op.window), relu: op.relu, circuitBits, shift }
  }
}

function windowOf(window: (Operation & { readonly op: 'maxPool' })['window']) {
  return { kernel: [window.kernel[0], window.kernel[1]] as const, stride: window.stride, padding: window.padding }
}

function assemble(
  name: string,
  operations: readonly Operation[],
  scaled: readonly Scaled[],
  rings: Rings,
  options: ResolvedOptions,
): LoweredModel {
  const values: Value[] = operations.map((op, i) => ({
    shape: [...op.shape],
    length: elements(op.shape),
    bits: rings.bits[i],
    scale: scaled[i].scale,
    divisor: scaled[i].divisor,
  }))
  const steps = operations.flatMap((op, i) => stepOf(op, i, scaled, rings, options.weightBits) ?? [])
  const last = operations.length - 1
  const ids = new Set(operations.map((op) => op.id))
  let id = 'output'
  while (ids.has(id)) id += '_'
  steps.push({ op: 'reveal', id, input: last, kind: options.reveal, circuitBits: rings.circuit[last] })
  const plan: Plan = {
    version: PLAN_VERSION,
    name,
    classes: values[last].length,
    values,
    steps,
    he: rings.he,
    failure: rings.failure,
  }
  const weights = new Map<string, Int32Array>()
  const biases = new Map<string, Float64Array>()
  operations.forEach((op, i) => {
    const { integers } = scaled[i]
    if (integers === undefined) return
    weights.set(op.id, integers.weights)
    biases.set(op.id, integers.bias)
  })
  return { plan, secret: { weights, biases } }
}

/**
 * The options to try in order: one precision, or the default ones when the caller leaves both open. Where rescaling is
 * left open as well, all of them with truncation come last: a network with several linear layers on end, of which every
 * ReLU was culled, outgrows the ring without.
 */
function attempts(options: LowerOptions, masked: boolean): ResolvedOptions[] {
  const { activationBits, weightBits, rescale = 'auto' } = options
  const defaults = masked ? MASKED_PRECISIONS : PRECISIONS
  const precisions =
    activationBits === undefined && weightBits === undefined ? defaults : [[activationBits, weightBits]]
  const rescales = rescale === 'auto' ? (['auto', 'truncate'] as const) : [rescale]
  return rescales.flatMap((rescale) =>
    precisions.map(([activation, weight]) =>
      resolveOptions({
        ...options,
        ...(activation === undefined ? {} : { activationBits: activation }),
        ...(weight === undefined ? {} : { weightBits: weight }),
        rescale,
      }),
    ),
  )
}

/**
 * Lowers a network. `calibration` are images as the network sees them (preprocessed, [channels][height][width]
 * flattened), at least one; the ranges they reach decide scales and widths.
 *
 * Throws AdytonError: 'model-invalid' when graph and tensors do not fit, or values to be joined wait for different
 * divisions; 'model-overflow', naming the layer, what it needs and what to do, when something does not fit the
 * ring or the bound of 2^-20 on wrong elements.
 */
export function lower(
  graph: Graph,
  tensors: Tensors,
  calibration: readonly Float32Array[],
  planner: HePlanner,
  options: LowerOptions = {},
): LoweredModel {
  return lowerCalibrated(graph, tensors, calibrateNetwork(graph, tensors, calibration), planner, options)
}

/** Ranges of a network over some images, to be kept with it; see {@link lowerCalibrated}. Errors as for {@link lower}. */
export function calibrateNetwork(graph: Graph, tensors: Tensors, images: readonly Float32Array[]): Calibration {
  const operations = simplify(graph, tensors)
  return toCalibration(operations, calibrate(floatRunner(graph, tensors), operations, images))
}

/** As {@link lower}, with ranges that were measured before, so that nobody needs the images again. */
export function lowerCalibrated(
  graph: Graph,
  tensors: Tensors,
  calibration: Calibration,
  planner: HePlanner,
  options: LowerOptions = {},
): LoweredModel {
  const operations = simplify(graph, tensors)
  const tries = attempts(options, isMasked(operations))
  const worthPrimes = 1 + tries.findIndex(({ activationBits }) => activationBits === PRECISIONS[0][0])
  const ranges = toRanges(operations, calibration)
  let best: LoweredModel | undefined
  let refusal: unknown
  for (const [i, resolved] of tries.entries()) {
    // A prime less makes up for precision, but not for less of it than a network with all its ReLUs has.
    if (best !== undefined && (i >= worthPrimes || primes(best.plan) === FEWEST_PRIMES)) break
    try {
      const scaled = assignScales(operations, ranges, resolved)
      const rings = assignRings(operations, scaled, ranges, planner, resolved)
      const model = assemble(graph.name, operations, scaled, rings, resolved)
      if (best === undefined || primes(model.plan) < primes(best.plan)) best = model
    } catch (error) {
      if (!(error instanceof AdytonError && error.code === 'model-overflow')) throw error
      refusal = error
    }
  }
  if (best === undefined) throw refusal
  return best
}

/** Of every set of parameters, the key prime included. */
const FEWEST_PRIMES = 3

/** The most primes of one set of HE parameters: what its linear layers cost goes with them. */
const primes = ({ he }: Plan): number => Math.max(0, ...he.map(({ primeBits }) => primeBits.length))
