/** Answers the lowering's questions with core/he, which core/network may not import. */
import { heParameters, roundingFailure } from '../he/parameters.ts'
import { chooseTiling } from '../he/tiling.ts'
import type { HePlanner } from '../network/lower/options.ts'

export const HE_PLANNER: HePlanner = { parameters: heParameters, tiling: chooseTiling, roundingFailure }
