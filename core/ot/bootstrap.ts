/**
 * Seeds for the OT extension of every package, without new base transfers.
 *
 * The garbler (server) needs a fresh delta for every package and, for each of its bits, the matching one of two
 * seeds that the client holds: 128 random transfers with the server as the receiver. They are made by one extension
 * (Ishai, Kilian, Nissim, Petrank 2003) in which the client is the sender, with a correlation of its own; its 128 base
 * transfers run once a pairing, the client as their receiver. The correlation is then broken by a hash that is bound
 * to the package (correlation robustness, section 3 of the paper).
 *
 * Seeds of a pairing live as long as it does and are used by many packages. The columns of each package are therefore
 * keystreams of keys derived from them with the package id and a nonce that the server draws: packages share no
 * keystream whatever their order, and however far an abandoned one came.
 */
import { createHash, hkdfSync, randomBytes } from 'node:crypto'
import type { Kernels } from '../kernels/interface.ts'
import { derive, SEED_BYTES } from '../ring/prg.ts'
import {
  BASE_RECEIVER_BYTES,
  BASE_SENDER_BYTES,
  baseReceiverFinish,
  baseReceiverStart,
  baseSenderRespond,
  type BaseReceiverState,
} from './base.ts'
import { BLOCK_BYTES, checkBytes, checkMessage, KAPPA } from './bits.ts'
import { CotReceiver, CotSender, extensionBytes } from './extension.ts'
import { growTrees, pruneTrees, RECEIVER_SEED_BYTES, SENDER_SEED_BYTES } from './trees.ts'

/** Exact bytes of the client's and the server's message of a pairing. */
export const PAIRING_CLIENT_BYTES = BASE_RECEIVER_BYTES
export const PAIRING_SERVER_BYTES = BASE_SENDER_BYTES
/** Bytes of a package id and of the nonce in the server's message. */
export const PACKAGE_ID_BYTES = 16
const NONCE_BYTES = 16
/** Trees of one level need no message of their own, and 128 transfers are few. */
const LEVELS = 1
/** Exact bytes of the server's only message for a package: nonce, then an extension of 128. */
export const PACKAGE_SEED_BYTES = NONCE_BYTES + extensionBytes(KAPPA, LEVELS)

/** What the client keeps of a pairing; both fields are secret. */
export interface ClientPairing {
  /** 16 bytes: the client's correlation in this direction. */
  readonly delta: Uint8Array
  /** [128][16]: seed i is that of bit i of delta. */
  readonly seeds: Uint8Array
}

/** What the server keeps of a pairing; secret. */
export interface ServerPairing {
  /** [128][2][16]. */
  readonly seeds: Uint8Array
}

/** Client, first step of a pairing: `sid` is known to both sides and unique to the pairing. */
export function pairingClientStart(sid: Uint8Array): {
  readonly state: BaseReceiverState
  readonly message: Uint8Array
} {
  return baseReceiverStart(new Uint8Array(randomBytes(BLOCK_BYTES)), sid)
}

/** Server: answers the client's message of {@link PAIRING_CLIENT_BYTES}. */
export function pairingServerRespond(
  received: Uint8Array,
  sid: Uint8Array,
): { readonly message: Uint8Array; readonly pairing: ServerPairing } {
  const { message, keys } = baseSenderRespond(received, sid)
  return { message, pairing: { seeds: new Uint8Array(Buffer.concat(keys.flat())) } }
}

/** Client, second step: takes the server's message of {@link PAIRING_SERVER_BYTES}. */
export function pairingClientFinish(state: BaseReceiverState, received: Uint8Array): ClientPairing {
  const keys = baseReceiverFinish(state, received)
  return { delta: state.choices, seeds: new Uint8Array(Buffer.concat(keys)) }
}

/** The garbler's end of a package: what pruneTrees takes. */
export interface PackageSenderSeeds {
  /** 16 bytes, fresh, bit 0 of byte 0 set: free-XOR offset and correlation. Secret. */
  readonly delta: Uint8Array
  /** [128][16]. Secret. */
  readonly seeds: Uint8Array
}

/**
 * Server: the message for one package, and its own seeds. `packageId` is unique to the package on both sides;
 * `packageSeed` is the server's 32-byte seed of the package, from which delta and the nonce are derived, so that the
 * same package can be asked for again after a broken connection and gives the same bytes.
 */
export function packageServerStart(
  kernels: Kernels,
  pairing: ServerPairing,
  packageId: Uint8Array,
  packageSeed: Uint8Array,
): { readonly message: Uint8Array; readonly own: PackageSenderSeeds } {
  checkBytes('package id', packageId, PACKAGE_ID_BYTES)
  checkBytes('package seed', packageSeed, SEED_BYTES)
  checkBytes('seeds of the pairing', pairing.seeds, RECEIVER_SEED_BYTES)
  const id = Buffer.from(packageId).toString('hex')
  // The id in the label keeps deltas apart even if a caller gave two packages one seed.
  const delta = derive(packageSeed, `garbling delta ${id}`, BLOCK_BYTES)
  delta[0] |= 1
  const nonce = derive(packageSeed, `transfer nonce ${id}`, NONCE_BYTES)
  const receiver = new CotReceiver(kernels, growTrees(LEVELS, packageKeys(pairing.seeds, packageId, nonce)).leaves)
  const { message, labels } = receiver.extend(delta, KAPPA)
  const seeds = new Uint8Array(SENDER_SEED_BYTES)
  for (let j = 0; j < KAPPA; j++) {
    seeds.set(breakCorrelation(packageId, nonce, j, labels.subarray(j * BLOCK_BYTES)), j * BLOCK_BYTES)
  }
  return { message: new Uint8Array(Buffer.concat([nonce, message])), own: { delta, seeds } }
}

/** Client: the 128 seed pairs of a package, [128][2][16], from the server's message of {@link PACKAGE_SEED_BYTES}. */
export function packageClientFinish(
  kernels: Kernels,
  pairing: ClientPairing,
  packageId: Uint8Array,
  received: Uint8Array,
): Uint8Array {
  checkBytes('package id', packageId, PACKAGE_ID_BYTES)
  checkBytes('seeds of the pairing', pairing.seeds, SENDER_SEED_BYTES)
  checkMessage('seeds of a package', received, PACKAGE_SEED_BYTES)
  const nonce = received.slice(0, NONCE_BYTES)
  const keys = packageKeys(pairing.seeds, packageId, nonce)
  const leaves = pruneTrees(LEVELS, pairing.delta, keys, new Uint8Array(0))
  const sender = new CotSender(kernels, pairing.delta, leaves)
  const zero = sender.extend(KAPPA, received.subarray(NONCE_BYTES))
  const pairs = new Uint8Array(RECEIVER_SEED_BYTES)
  const one = new Uint8Array(BLOCK_BYTES)
  for (let j = 0; j < KAPPA; j++) {
    const q = zero.subarray(j * BLOCK_BYTES, (j + 1) * BLOCK_BYTES)
    for (let i = 0; i < BLOCK_BYTES; i++) one[i] = q[i] ^ pairing.delta[i]
    pairs.set(breakCorrelation(packageId, nonce, j, q), 2 * j * BLOCK_BYTES)
    pairs.set(breakCorrelation(packageId, nonce, j, one), (2 * j + 1) * BLOCK_BYTES)
  }
  return pairs
}

/**
 * One key a seed for this package only (HKDF-SHA-256). Both ends derive the same from the seeds they share. Exported
 * for the tests of what the server's message hides.
 */
export function packageKeys(seeds: Uint8Array, packageId: Uint8Array, nonce: Uint8Array): Uint8Array {
  const info = Buffer.concat([Buffer.from('adyton/1 package column'), packageId, nonce])
  const out = new Uint8Array(seeds.length)
  for (let at = 0; at < seeds.length; at += BLOCK_BYTES) {
    const seed = seeds.subarray(at, at + BLOCK_BYTES)
    out.set(new Uint8Array(hkdfSync('sha256', seed, new Uint8Array(0), info, BLOCK_BYTES)), at)
  }
  return out
}

/** Correlation-robust hash of one 16-byte row, tweaked by package, nonce and transfer. */
function breakCorrelation(packageId: Uint8Array, nonce: Uint8Array, j: number, row: Uint8Array): Uint8Array {
  const hash = createHash('sha256').update('adyton/1 package seed').update(packageId).update(nonce)
  return hash.update(Uint8Array.of(j)).update(row.subarray(0, BLOCK_BYTES)).digest().subarray(0, BLOCK_BYTES)
}
