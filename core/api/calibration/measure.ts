/** All costs of this machine, one after the other. */
import { availableParallelism } from 'node:os'
import { HE_PRIMES, POLY_DEGREE } from '../../he/parameters.ts'
import { loadKernels } from '../../kernels/index.ts'
import { primesKey, type Costs } from './costs.ts'
import { garblingCosts } from './garbling.ts'
import { heCosts } from './he.ts'
import { diskCosts, linkCosts } from './places.ts'
import { ringCosts } from './ring.ts'
import type { Timing } from './timing.ts'
import { wholeCosts } from './whole.ts'

/** A plaintext width of each choice of primes: those that networks have. Costs hardly depend on it. */
const PLAIN_BITS = 32

/** As `adyton infer` has them. */
const THREADS = { client: 1, server: availableParallelism() }

/** One part of the costs. */
export interface Part {
  /** For people, while it is measured. */
  readonly text: string
  /** Of the whole time, about. */
  readonly share: number
  readonly measure: (timing: Timing, soFar: Partial<Costs>) => Promise<Partial<Costs>>
}

export const PARTS: readonly Part[] = [
  ...HE_PRIMES.map((primeBits) => ({
    text: `homomorphic encryption with primes of ${primeBits.join(', ')} bits`,
    share: 4,
    measure: async (timing: Timing) => ({
      he: {
        [primesKey(primeBits)]: await heCosts({ plainBits: PLAIN_BITS, polyDegree: POLY_DEGREE, primeBits }, timing),
      },
    }),
  })),
  { text: 'garbled circuits and transfers', share: 2, measure: (timing) => garblingCosts(loadKernels(), timing) },
  {
    text: 'convolutions of shares',
    share: 1,
    measure: async (timing) => ({ ring: await ringCosts(loadKernels(), timing) }),
  },
  { text: 'TLS', share: 1, measure: async (timing) => ({ link: await linkCosts(timing) }) },
  { text: 'the disk', share: 1, measure: async (timing) => ({ disk: await diskCosts(timing) }) },
  {
    text: 'whole inferences',
    share: 8,
    // Last: it is about what the other parts leave unexplained.
    measure: async ({ signal }, soFar) => ({ whole: await wholeCosts(soFar as Omit<Costs, 'whole'>, THREADS, signal) }),
  },
]

/** Measures the parts in turn; together they must be all of the costs. */
export async function measureCosts(
  timing: Timing,
  onPart: (text: string, fraction: number) => void,
  parts: readonly Part[] = PARTS,
): Promise<Costs> {
  const whole = parts.reduce((sum, { share }) => sum + share, 0)
  let done = 0
  let costs: Partial<Costs> = {}
  for (const { text, share, measure } of parts) {
    timing.signal?.throwIfAborted()
    onPart(text, done / whole)
    const found = await measure(timing, costs)
    costs = { ...costs, ...found, ...(found.he === undefined ? {} : { he: { ...costs.he, ...found.he } }) }
    done += share
  }
  return costs as Costs
}
