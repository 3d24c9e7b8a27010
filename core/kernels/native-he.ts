/** The addon's arithmetic of HE as {@link HeKernels}. */
import type { NativeAddon } from './addon.ts'
import {
  checkDecryption,
  checkEncryptedZero,
  checkEncryption,
  checkMask,
  checkMemory,
  checkPacked,
  checkPolynomials,
  checkSeed,
  checkSums,
} from './check.ts'
import type { HeKernels, HeMask, HeRing } from './interface.ts'
import { decryptionWords } from './reference/he-client.ts'
import { ringTableWords } from './reference/ntt-tables.ts'

/** The ring as the HE calls take it. */
function atPrimes({ degree, tables }: HeRing, primes: number): [number, number, Uint32Array] {
  return [degree, primes, tables.subarray(0, primes * 2 * ringTableWords(degree))]
}

/** Of one instruction set, by its place in INSTRUCTION_SETS. */
export function nativeHe(addon: NativeAddon, set: number): HeKernels {
  return Object.freeze<HeKernels>({
    nttForward(ring, primes, words) {
      addon.nttForward(set, ...atPrimes(ring, primes), checkPolynomials(ring, primes, words), words)
    },
    nttInverse(ring, primes, words) {
      addon.nttInverse(set, ...atPrimes(ring, primes), checkPolynomials(ring, primes, words), words)
    },
    accumulate(ring, sums) {
      const { blocks, uploads } = checkSums(ring, sums)
      const { first, tiles, tileStride } = sums
      const counts = [uploads, first, tiles, tileStride, blocks] as const
      addon.accumulate(set, ...atPrimes(ring, sums.primes), ...counts, sums.inputs, sums.weights, sums.sums)
    },
    divideRound(ring, primes, words) {
      const polys = checkPolynomials(ring, primes, words, 2)
      const out = new Uint32Array(2 * polys * (primes - 1) * ring.degree)
      addon.divideRound(set, ...atPrimes(ring, primes), polys, words, out)
      return out
    },
    addEncryptedZero(ring, key, ternary, noise, words) {
      checkEncryptedZero(ring, key, ternary, noise, words)
      addon.addEncryptedZero(set, ...atPrimes(ring, ring.primes.length), key, ternary, noise, words)
    },
    maskShares(ring, primes, bits, stream) {
      const count = checkMask(ring, primes, bits, stream)
      const mask: HeMask = { residues: new Uint32Array(stream.length), shares: new Uint32Array(2 * count) }
      const { residues, shares } = mask
      return addon.maskShares(set, ...atPrimes(ring, primes), bits, count, stream, residues, shares) ? mask : undefined
    },
    expandSeed(ring, primes, seed, words) {
      checkSeed(ring, primes, seed, words)
      addon.expandSeed(set, ...atPrimes(ring, primes), seed, words)
    },
    encryptSeeded(ring, encryption, memory) {
      checkEncryption(ring, encryption)
      checkMemory(ring, encryption.key.primes, memory)
      const { key, bits, seed, noise, plain } = encryption
      const out = memory ?? new Uint32Array(2 * key.primes * ring.degree)
      addon.encryptSeeded(set, ...atPrimes(ring, key.primes), bits, key.words, seed, noise, plain, out)
      return out
    },
    decrypt(ring, bits, key, words, places, memory) {
      checkDecryption(ring, bits, key, words, places)
      checkMemory(ring, 1, memory)
      const constants = decryptionWords(ring, key.primes, bits)
      const out = memory ?? new Uint32Array(2 * ring.degree)
      addon.decryptScaled(
        set,
        ...atPrimes(ring, key.primes),
        bits,
        constants,
        key.words,
        words,
        places.length,
        places,
        out,
      )
      return out
    },
    packResidues(words, bits, out, places) {
      const count = checkPacked(words, bits, out, places)
      addon.packResidues(words.length / 2, words, count, places, bits, out)
    },
    unpackResidues(bytes, prime, words, places) {
      const count = checkPacked(words, prime.toString(2).length, bytes, places)
      const [low, high] = [Number(prime & 0xffffffffn), Number(prime >> 32n)]
      return addon.unpackResidues(words.length / 2, words, count, places, low, high, bytes)
    },
  })
}
