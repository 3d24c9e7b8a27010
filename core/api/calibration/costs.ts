/**
 * What the operations of a private inference cost on one core: milliseconds of processor time, and for disks of waiting
 * too. estimate.ts adds them up over a plan.
 */
import * as v from 'valibot'
import { HE_PRIMES } from '../../he/parameters.ts'

const ms = v.pipe(v.number(), v.finite(), v.minValue(0))

const factor = ms

const phases = v.strictObject({ offline: ms, online: ms })

const HeCostsSchema = v.strictObject({
  /** Client: an upload; an answer. */
  encrypt: ms,
  decrypt: ms,
  /** Server: an upload checked, expanded and in NTT form. */
  upload: ms,
  /** A weight plaintext encoded and in NTT form, once for all tiles. */
  weights: ms,
  /** A ciphertext times a weight plaintext, and added. */
  product: ms,
  /** Out of NTT form, masked, with an encryption of zero, packed. */
  answer: ms,
})
export type HeCosts = v.InferOutput<typeof HeCostsSchema>

/** Names the parameters that a cost is for: '54,54,54'. */
export const primesKey = (primeBits: readonly number[]): string => primeBits.join()

export const CostsSchema = v.strictObject({
  /** By the bits of the primes, of all parameters that there are. */
  he: v.strictObject(Object.fromEntries(HE_PRIMES.map((primes) => [primesKey(primes), HeCostsSchema]))),
  garbling: v.strictObject({
    /** A million AND gates. */
    garble: ms,
    evaluate: ms,
    /** A million labels of the server's input, online. */
    labels: ms,
    /** A million output bits decoded into shares, online. */
    outputs: ms,
  }),
  /** A million transfers, each end. */
  transfers: v.strictObject({ client: ms, server: ms }),
  disk: v.strictObject({
    /** A million bytes written or read, checksum included. */
    write: ms,
    read: ms,
  }),
  link: v.strictObject({
    /** A million bytes through TLS over loopback, both ends. */
    bytes: ms,
  }),
  ring: v.strictObject({
    /** A million multiply-accumulates with words of 32 and 64 bits. */
    narrow: ms,
    wide: ms,
    /** A million elements added; brought to the scale of a linearised position's output; packed and unpacked. */
    add: ms,
    rescale: ms,
    pack: ms,
  }),
  /** Of whole inferences in two processes, beyond their operations; wall time. */
  whole: v.strictObject({
    /** An inference, however small. */
    inference: phases,
    /** A linear layer offline, a garbled layer online. */
    layer: phases,
    /** The first inference of fresh processes. */
    start: phases,
    /**
     * How much longer operations take in it than alone, factors: both parties share caches, memory and cores, and touch
     * their memory for the first time. Layers under HE and circuits offline, and all operations online.
     */
    busy: v.strictObject({ linear: factor, circuits: factor, online: factor }),
  }),
})
export type Costs = v.InferOutput<typeof CostsSchema>
