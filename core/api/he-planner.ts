/** Answers the lowering's questions with core/he, which core/network may not import. */
import { heParameters, POLY_DEGREE, roundingDemand, roundingFailure } from '../he/parameters.ts'
import { chooseTiling } from '../he/tiling.ts'
import type { HeStep } from '../he/types.ts'
import type { HePlanner, RoundingDemand } from '../network/lower/options.ts'
import type { ConvGeometry } from '../ring/geometry.ts'

/** The search for a tiling is the slow part and is asked for the same geometries again and again. */
const tilings = new Map<string, HeStep['tiling']>()

function tiling(geometry: ConvGeometry, polyDegree: number): HeStep['tiling'] {
  const key = `${polyDegree} ${JSON.stringify(geometry)}`
  let found = tilings.get(key)
  if (found === undefined) tilings.set(key, (found = chooseTiling(geometry, polyDegree)))
  return found
}

const demandOf = ({ geometry, weightBits }: RoundingDemand) =>
  roundingDemand({ geometry, tiling: tiling(geometry, POLY_DEGREE) }, weightBits)

export const HE_PLANNER: HePlanner = {
  parameters: (plainBits, demand) => heParameters(plainBits, demand.map(demandOf)),
  tiling,
  roundingFailure: (parameters, demand) => roundingFailure(parameters, demandOf(demand)),
}
