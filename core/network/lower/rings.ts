/**
 * Reverse pass: the ring of every value, the circuit widths and the failure bound.
 *
 * A value that is truncated locally somewhere (linearised positions) needs the wide ring, where that fails with
 * probability |x| / 2^k an element; a value that only circuits read needs no more than their width. Local and
 * linear steps can only shrink a ring, so needs flow from outputs to inputs. Two widths at most are used, because
 * each has its own SEAL context.
 */
import { AdytonError } from '../../errors/errors.ts'
import { MAX_BITS } from '../../ring/ring.ts'
import type { HeParameters, Plan, Tiling } from '../plan.ts'
import { elements } from '../shapes.ts'
import type { Ranges } from './calibrate.ts'
import type { Operation } from './operations.ts'
import { MAX_FAILURE, type HePlanner, type ResolvedOptions, type RoundingDemand } from './options.ts'
import type { Scaled } from './scales.ts'

export interface Rings {
  /** k of every value. */
  readonly bits: readonly number[]
  /** Width of a circuit that reads the value: magnitude, headroom and sign. */
  readonly circuit: readonly number[]
  readonly he: readonly HeParameters[]
  /** Of every linear operation, by its index. */
  readonly tilings: ReadonlyMap<number, Tiling>
  readonly failure: Plan['failure']
}

/** A second SEAL context must save at least this many bytes of garbled tables. */
const NARROW_WORTH_BYTES = 4 * 2 ** 20
const TABLE_BYTES = 32

/** Bits of a signed integer of that magnitude, with headroom. */
const signedBits = (max: number, headroom: number): number => Math.ceil(Math.log2(max + 1)) + headroom + 1

interface Needs {
  readonly circuit: number[]
  readonly need: number[]
  readonly wide: boolean[]
}

function needs(operations: readonly Operation[], scaled: readonly Scaled[], headroom: number): Needs {
  const circuit = scaled.map((x) => Math.max(3, signedBits(x.max, headroom)))
  circuit.forEach((bits, i) => {
    if (bits > MAX_BITS) {
      throw new AdytonError(
        'model-overflow',
        `layer '${operations[i].id}' needs ${bits} bits (with ${headroom} of headroom) where ${MAX_BITS} is the most`,
        { advice: 'Lower weightBits or activationBits, or put a ReLU or batch norm before this layer.' },
      )
    }
  })
  const need = [...circuit]
  const wide = operations.map(() => false)
  for (let i = operations.length - 1; i >= 0; i--) {
    const op = operations[i]
    const partly = op.op === 'activation' && op.kept !== 'all'
    if (partly && scaled[i].shift > 0) wide[op.inputs[0]] = true
    // Re-sharing without truncation is exact only into a ring that is no wider.
    const flows = op.op === 'activation' ? partly && scaled[i].shift === 0 : op.op !== 'maxPool'
    if (!flows) continue
    for (const j of op.inputs) {
      need[j] = Math.max(need[j], need[i])
      wide[j] ||= wide[i]
    }
  }
  return { circuit, need, wide }
}

/** Garbled bytes saved by a narrow ring next to the wide one: one AND gate a bit of the circuits' outputs. */
function narrowSaves(operations: readonly Operation[], wide: readonly boolean[], difference: number): number {
  let circuits = 0
  operations.forEach((op, i) => {
    if (wide[i]) return
    if (op.op === 'activation') circuits += op.kept === 'all' ? elements(op.shape) : op.kept.length
    if (op.op === 'maxPool') circuits += elements(op.shape)
  })
  return circuits * difference * TABLE_BYTES
}

interface Bound {
  readonly truncation: number
  readonly rounding: number
  readonly total: number
  readonly he: readonly HeParameters[]
  readonly tilings: ReadonlyMap<number, Tiling>
  /** The layer that contributes most. */
  readonly worst: string
  readonly worstKind: 'local truncation' | 'the rounding of HE answers'
}

/** A linear layer's demand, and which operation it is. */
interface Demand extends RoundingDemand {
  readonly id: string
  readonly operation: number
  readonly tiling: Tiling
}

/** Linear layers by the ring they run in, which is that of their output, narrowest first. */
function demandByRing(
  operations: readonly Operation[],
  bits: readonly number[],
  planner: HePlanner,
  weightBits: number,
): [number, Demand[]][] {
  const demand = new Map<number, Demand[]>()
  operations.forEach((op, i) => {
    if (op.op !== 'linear') return
    const { geometry: g, id } = op
    const taps = (g.inChannels / g.groups) * g.kernelHeight * g.kernelWidth
    const list = demand.get(bits[i]) ?? []
    // The tiling depends on the degree only, which does not depend on the demand.
    const tiling = planner.tiling(g, planner.parameters(bits[i], []).polyDegree)
    const { outputs } = tiling
    list.push({ id, operation: i, geometry: g, tiling, weightBits, taps, outputs, elements: elements(op.shape) })
    demand.set(bits[i], list)
  })
  return [...demand].sort(([a], [b]) => a - b)
}

function parametersFor(planner: HePlanner, k: number, demand: readonly Demand[]): HeParameters {
  try {
    return planner.parameters(k, demand)
  } catch (cause) {
    if (!(cause instanceof AdytonError)) throw cause
    const hardest = demand.reduce((a, b) => (b.taps * b.elements > a.taps * a.elements ? b : a))
    throw new AdytonError(
      'model-overflow',
      `layer '${hardest.id}' (${hardest.taps} products an output) in Z_2^${k}: ${cause.message}`,
      { advice: 'Lower weightBits or activationBits.', cause },
    )
  }
}

/**
 * Rounded up to a sixteenth of a power of two. The plan is public, and the exact sum is a function of the weights
 * against which a client could test guesses of them.
 */
function coarse(chance: number): number {
  return chance === 0 ? 0 : 2 ** (Math.ceil(16 * Math.log2(chance)) / 16)
}

function failureBound(
  operations: readonly Operation[],
  scaled: readonly Scaled[],
  ranges: Ranges,
  bits: readonly number[],
  planner: HePlanner,
  options: ResolvedOptions,
): Bound {
  let truncation = 0
  let rounding = 0
  let most = -1
  let worst = ''
  let worstKind: Bound['worstKind'] = 'local truncation'
  const contributes = (chance: number, id: string, kind: Bound['worstKind']): void => {
    if (chance > most) [most, worst, worstKind] = [chance, id, kind]
  }
  operations.forEach((op, i) => {
    if (op.op !== 'activation' || scaled[i].shift === 0 || op.kept === 'all') return
    const input = scaled[op.inputs[0]]
    const sum = ranges.linearised[i] * 2 ** input.scale * input.divisor * options.failureMargin
    const chance = sum / 2 ** bits[op.inputs[0]]
    truncation += chance
    contributes(chance, op.id, 'local truncation')
  })
  const tilings = new Map<number, Tiling>()
  const he = demandByRing(operations, bits, planner, options.weightBits).map(([k, demand]) => {
    const parameters = parametersFor(planner, k, demand)
    for (const step of demand) {
      const chance = planner.roundingFailure(parameters, step) * step.elements
      rounding += chance
      contributes(chance, step.id, 'the rounding of HE answers')
      tilings.set(step.operation, step.tiling)
    }
    return parameters
  })
  truncation = coarse(truncation)
  return { truncation, rounding, total: truncation + rounding, he, tilings, worst, worstKind }
}

function refuse(bound: Bound, widest: number): never {
  const advice =
    bound.worstKind === 'local truncation'
      ? 'Lower weightBits or activationBits by one or two, or keep fewer linearised positions in this layer.'
      : 'Lower weightBits, or split this layer into smaller ones.'
  throw new AdytonError(
    'model-overflow',
    `layer '${bound.worst}': ${bound.worstKind} brings the chance of a wrong element in one inference to 2^${Math.log2(bound.total).toFixed(1)} even in a ring of ${widest} bits; it must stay below 2^-20`,
    { advice },
  )
}

/** Widths of all rings and circuits. Throws AdytonError 'model-overflow' naming the layer that does not fit. */
export function assignRings(
  operations: readonly Operation[],
  scaled: readonly Scaled[],
  ranges: Ranges,
  planner: HePlanner,
  options: ResolvedOptions,
): Rings {
  const { circuit, need, wide } = needs(operations, scaled, options.headroomBits)
  const narrowest = Math.max(...need.filter((_, i) => !wide[i]))
  const start = Math.max(...need)
  const anyWide = wide.includes(true)
  let bound: Bound | undefined
  // Without local truncation a wider ring gains nothing, so only the first width is tried.
  for (let k = start; k <= (anyWide ? MAX_BITS : start); k++) {
    const split = anyWide && narrowSaves(operations, wide, k - narrowest) >= NARROW_WORTH_BYTES
    const bits = wide.map((w) => (w || !split ? k : narrowest))
    bound = failureBound(operations, scaled, ranges, bits, planner, options)
    if (bound.total > MAX_FAILURE) continue
    const { he, tilings, truncation, rounding, total } = bound
    return { bits, circuit, he, tilings, failure: { truncation, rounding, total } }
  }
  return refuse(bound as Bound, anyWide ? MAX_BITS : start)
}
