/**
 * AES-128 encryption (FIPS 197) with T-tables, for hashing under a fresh key each time: node:crypto pays far more
 * for a new cipher object than for the block itself.
 *
 * A block is four 32-bit words read little-endian, so that word c is column c of the state and byte r of a word is
 * row r. Table look-ups indexed by labels are not constant-time in the cache; the native kernels use AES instructions
 * and are what a shared machine should run.
 */

/** Words of an expanded key: eleven round keys. */
export const ROUND_KEY_WORDS = 44

const sbox = new Uint8Array(256)
/** T0[x] is the column (2s, s, s, 3s) for s = S(x); the other three tables are its byte rotations. */
const T0 = new Int32Array(256)
const T1 = new Int32Array(256)
const T2 = new Int32Array(256)
const T3 = new Int32Array(256)

const double = (x: number): number => ((x << 1) ^ (x & 0x80 ? 0x11b : 0)) & 0xff
const rotate = (x: number, by: number): number => (x << by) | (x >>> (32 - by))

function makeTables(): void {
  // Powers of the generator 3 give inverses: inverse(3^i) = 3^(255 - i).
  const power = new Uint8Array(256)
  const log = new Uint8Array(256)
  for (let i = 0, x = 1; i < 255; i++) {
    power[i] = x
    log[x] = i
    x ^= double(x)
  }
  for (let x = 0; x < 256; x++) {
    const inverse = x === 0 ? 0 : power[(255 - log[x]) % 255]
    let s = inverse
    for (let shift = 1; shift <= 4; shift++) s ^= ((inverse << shift) | (inverse >>> (8 - shift))) & 0xff
    s ^= 0x63
    sbox[x] = s
    const s2 = double(s)
    T0[x] = s2 | (s << 8) | (s << 16) | ((s2 ^ s) << 24)
    T1[x] = rotate(T0[x], 8)
    T2[x] = rotate(T0[x], 16)
    T3[x] = rotate(T0[x], 24)
  }
}
makeTables()

/** Expands the key (k0, k1, k2, k3) into `rk`, {@link ROUND_KEY_WORDS} words. */
export function expandKey(rk: Int32Array, k0: number, k1: number, k2: number, k3: number): void {
  rk[0] = k0
  rk[1] = k1
  rk[2] = k2
  rk[3] = k3
  let rcon = 1
  for (let i = 4; i < ROUND_KEY_WORDS; i += 4) {
    const sub =
      sbox[(k3 >>> 8) & 255] | (sbox[(k3 >>> 16) & 255] << 8) | (sbox[k3 >>> 24] << 16) | (sbox[k3 & 255] << 24)
    k0 ^= sub ^ rcon
    k1 ^= k0
    k2 ^= k1
    k3 ^= k2
    rk[i] = k0
    rk[i + 1] = k1
    rk[i + 2] = k2
    rk[i + 3] = k3
    rcon = double(rcon)
  }
}

/** Encrypts the block x0..x3 under the expanded key and writes four words to `out` at `at`. */
export function encrypt(
  rk: Int32Array,
  x0: number,
  x1: number,
  x2: number,
  x3: number,
  out: Int32Array,
  at: number,
): void {
  let a = x0 ^ rk[0]
  let b = x1 ^ rk[1]
  let c = x2 ^ rk[2]
  let d = x3 ^ rk[3]
  for (let i = 4; i < 40; i += 4) {
    const e = T0[a & 255] ^ T1[(b >>> 8) & 255] ^ T2[(c >>> 16) & 255] ^ T3[d >>> 24] ^ rk[i]
    const f = T0[b & 255] ^ T1[(c >>> 8) & 255] ^ T2[(d >>> 16) & 255] ^ T3[a >>> 24] ^ rk[i + 1]
    const g = T0[c & 255] ^ T1[(d >>> 8) & 255] ^ T2[(a >>> 16) & 255] ^ T3[b >>> 24] ^ rk[i + 2]
    const h = T0[d & 255] ^ T1[(a >>> 8) & 255] ^ T2[(b >>> 16) & 255] ^ T3[c >>> 24] ^ rk[i + 3]
    a = e
    b = f
    c = g
    d = h
  }
  out[at] = lastColumn(a, b, c, d) ^ rk[40]
  out[at + 1] = lastColumn(b, c, d, a) ^ rk[41]
  out[at + 2] = lastColumn(c, d, a, b) ^ rk[42]
  out[at + 3] = lastColumn(d, a, b, c) ^ rk[43]
}

/** SubBytes and ShiftRows of the last round, which mixes no columns. */
function lastColumn(a: number, b: number, c: number, d: number): number {
  return sbox[a & 255] | (sbox[(b >>> 8) & 255] << 8) | (sbox[(c >>> 16) & 255] << 16) | (sbox[d >>> 24] << 24)
}
