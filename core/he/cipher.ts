/** The client's encryption and decryption, of which there are two: our kernels' and node-seal's. */

/** Plaintexts are two words a coefficient, [N], below 2^plainBits. */
export interface HeCipher {
  /** Wire form of a fresh upload; see wire.ts. */
  encrypt(plain: Uint32Array): Uint8Array
  /**
   * Reads an answer in wire form whose results are at `coefficients`: the words of its plaintext, right at those places, and
   * fewer than 2N where the last are zero. They are good until the next call. Throws AdytonError 'payload-invalid', naming
   * the message `what`.
   */
  decrypt(answer: Uint8Array, coefficients: Uint32Array, what: string): Uint32Array
  delete(): void
}
