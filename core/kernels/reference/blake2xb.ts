/**
 * SEAL's default generator of randomness (native/src/seal/randomgen.cpp, Blake2xbPRNG): outputs of 4096 bytes of BLAKE2xb
 * (Aumasson et al. 2016, "BLAKE2X", section 2), keyed with a 64-byte seed, of a counter of 64 bits from zero.
 */

const START = [
  0x6a09e667f3bcc908n,
  0xbb67ae8584caa73bn,
  0x3c6ef372fe94f82bn,
  0xa54ff53a5f1d36f1n,
  0x510e527fade682d1n,
  0x9b05688c2b3e6c1fn,
  0x1f83d9abfb41bd6bn,
  0x5be0cd19137e2179n,
]

/** Order of message words in each round, hexadecimal; rounds 10 and 11 begin anew. */
const ORDER = [
  '0123456789abcdef',
  'ea489fd61c02b753',
  'b8c052fdae367194',
  '7931dcbe265a40f8',
  '905724afe1bc683d',
  '2c6a0b834d75fe19',
  'c51fed4a0763928b',
  'db7ec13950f4862a',
  '6fe9b308c2d714a5',
  'a2847615fb9e3cd0',
].map((row) => Array.from(row, (digit) => parseInt(digit, 16)))

/** Places in the state that each of a round's eight mixtures changes: columns, then diagonals. */
const MIXED = ['048c', '159d', '26ae', '37bf', '05af', '16bc', '278d', '349e'].map((row) =>
  Array.from(row, (digit) => parseInt(digit, 16)),
)

const OUTPUT_BYTES = 4096
const HASH_BYTES = 64

const wrapped = (x: bigint): bigint => BigInt.asUintN(64, x)
const rotated = (x: bigint, bits: bigint): bigint => wrapped((x >> bits) | (x << (64n - bits)))

/** The state after a block of 16 words that ends at byte `length`. */
function compress(state: readonly bigint[], block: BigUint64Array, length: number, last: boolean): bigint[] {
  const v = [...state, ...START]
  v[12] ^= BigInt(length)
  if (last) v[14] = wrapped(~v[14])
  for (let round = 0; round < 12; round++) {
    MIXED.forEach(([a, b, c, d], i) => {
      const order = ORDER[round % 10]
      v[a] = wrapped(v[a] + v[b] + block[order[2 * i]])
      v[d] = rotated(v[d] ^ v[a], 32n)
      v[c] = wrapped(v[c] + v[d])
      v[b] = rotated(v[b] ^ v[c], 24n)
      v[a] = wrapped(v[a] + v[b] + block[order[2 * i + 1]])
      v[d] = rotated(v[d] ^ v[a], 16n)
      v[c] = wrapped(v[c] + v[d])
      v[b] = rotated(v[b] ^ v[c], 63n)
    })
  }
  return state.map((h, i) => h ^ v[i] ^ v[i + 8])
}

interface Parameters {
  readonly keyBytes?: number
  readonly fanout: number
  readonly leafBytes: number
  readonly node: number
  readonly innerBytes: number
}

/** The first state: constants and the parameter block (RFC 7693 and BLAKE2X, table 2). */
function initial({ keyBytes = 0, fanout, leafBytes, node, innerBytes }: Parameters): bigint[] {
  const block = new DataView(new ArrayBuffer(64))
  // Digest, key, fanout, depth (1 for a sequential hash, 0 within BLAKE2X, as the fanout).
  ;[HASH_BYTES, keyBytes, fanout, fanout].forEach((byte, at) => block.setUint8(at, byte))
  block.setUint32(4, leafBytes, true)
  block.setUint32(8, node, true)
  block.setUint32(12, OUTPUT_BYTES, true)
  block.setUint8(17, innerBytes)
  return START.map((word, i) => word ^ block.getBigUint64(8 * i, true))
}

/** A message block, filled up with zeros. */
function sixteen(words: Iterable<bigint>): BigUint64Array {
  const block = new BigUint64Array(16)
  block.set([...words])
  return block
}

/** The generator's 64-bit words, without end. */
export function* seededWords(seed: Uint8Array): Generator<bigint, never> {
  const words = new BigUint64Array(seed.slice().buffer)
  const keyed = compress(
    initial({ keyBytes: seed.length, fanout: 1, leafBytes: 0, node: 0, innerBytes: 0 }),
    sixteen(words),
    128,
    false,
  )
  for (let counter = 0n; ; counter++) {
    const root = compress(keyed, sixteen([counter]), 128 + 8, true)
    for (let node = 0; node < OUTPUT_BYTES / HASH_BYTES; node++) {
      const start = initial({ fanout: 0, leafBytes: HASH_BYTES, node, innerBytes: HASH_BYTES })
      yield* compress(start, sixteen(root), HASH_BYTES, true)
    }
  }
}
