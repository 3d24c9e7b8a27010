/** HE arithmetic in BigInt, by the textbook: what the native kernels must equal. Far too slow to run a network on. */
import { checkEncryptedZero, checkMask, checkPolynomials, checkSums } from '../check.ts'
import type { HeKernels, HeRing } from '../interface.ts'
import { power, ringTableWords } from './ntt-tables.ts'

/** Words as 64-bit numbers, over the same memory. */
export function wide(words: Uint32Array): BigUint64Array {
  return new BigUint64Array(words.buffer, words.byteOffset, words.length / 2)
}

export function modulo(value: bigint, q: bigint): bigint {
  const rest = value % q
  return rest < 0n ? rest + q : rest
}

export function checkReduced(ring: HeRing, primes: number, words: BigUint64Array): void {
  for (let i = 0; i < words.length; i++) {
    if (words[i] >= ring.primes[Math.floor(i / ring.degree) % primes]) {
      throw new RangeError('a residue is not below its prime')
    }
  }
}

/** psi^bitrev(i) of prime `prime`, or its inverse. */
function roots(ring: HeRing, prime: number, inverse: boolean): BigUint64Array {
  const size = ringTableWords(ring.degree)
  const tables = wide(ring.tables).subarray(prime * size, (prime + 1) * size)
  const start = size - (inverse ? 2 : 4) * ring.degree
  return tables.subarray(start, start + ring.degree)
}

/** Cooley and Tukey's butterflies, halves first. */
export function forward(ring: HeRing, prime: number, x: BigUint64Array): void {
  const q = ring.primes[prime]
  const root = roots(ring, prime, false)
  for (let groups = 1, half = ring.degree / 2; half >= 1; groups *= 2, half /= 2) {
    for (let g = 0; g < groups; g++) {
      for (let j = 2 * half * g; j < half * (2 * g + 1); j++) {
        const u = x[j]
        const v = (x[j + half] * root[groups + g]) % q
        x[j] = (u + v) % q
        x[j + half] = (u + q - v) % q
      }
    }
  }
}

/** Gentleman and Sande's butterflies undo them one by one; what is left is a factor N. */
export function inverse(ring: HeRing, prime: number, x: BigUint64Array): void {
  const q = ring.primes[prime]
  const root = roots(ring, prime, true)
  for (let groups = ring.degree / 2, half = 1; groups >= 1; groups /= 2, half *= 2) {
    for (let g = 0; g < groups; g++) {
      for (let j = 2 * half * g; j < half * (2 * g + 1); j++) {
        const u = x[j]
        const v = x[j + half]
        x[j] = (u + v) % q
        x[j + half] = ((u + q - v) * root[groups + g]) % q
      }
    }
  }
  const scale = power(BigInt(ring.degree), q - 2n, q)
  for (let j = 0; j < x.length; j++) x[j] = (x[j] * scale) % q
}

function each(ring: HeRing, primes: number, words: Uint32Array, transform: typeof forward): void {
  const polys = checkPolynomials(ring, primes, words)
  const x = wide(words)
  checkReduced(ring, primes, x)
  for (let i = 0; i < polys * primes; i++) {
    transform(ring, i % primes, x.subarray(i * ring.degree, (i + 1) * ring.degree))
  }
}

/** Signed coefficients as residues in NTT form. */
function lifted(ring: HeRing, prime: number, coefficients: Int32Array | Int8Array): BigUint64Array {
  const q = ring.primes[prime]
  const x = BigUint64Array.from(coefficients, (w) => modulo(BigInt(w), q))
  forward(ring, prime, x)
  return x
}

const divideRound: HeKernels['divideRound'] = (ring, primes, words) => {
  const polys = checkPolynomials(ring, primes, words, 2)
  const x = wide(words)
  checkReduced(ring, primes, x)
  const n = ring.degree
  const last = ring.primes[primes - 1]
  const out = new BigUint64Array(polys * (primes - 1) * n)
  for (let poly = 0; poly < polys; poly++) {
    const rest = (poly + 1) * primes * n - n
    for (let i = 0; i < primes - 1; i++) {
      const q = ring.primes[i]
      const factor = power(last % q, q - 2n, q)
      for (let j = 0; j < n; j++) {
        // x less its remainder, centred, is a multiple of the last prime.
        const centred = ((x[rest + j] + last / 2n) % last) - last / 2n
        out[(poly * (primes - 1) + i) * n + j] = modulo((x[(poly * primes + i) * n + j] - centred) * factor, q)
      }
    }
  }
  return new Uint32Array(out.buffer)
}

function bits21(bytes: Uint8Array, at: number): bigint {
  let value = (bytes[at] | (bytes[at + 1] << 8) | (bytes[at + 2] << 16)) & 0x1fffff
  let count = 0n
  for (; value !== 0; value &= value - 1) count++
  return count
}

/** A coefficient of SEAL's error distribution: of 6 random bytes, the bits of 21 less the bits of 21. */
export function centredError(bytes: Uint8Array, at: number): bigint {
  return bits21(bytes, at) - bits21(bytes, at + 3)
}

export const referenceHe: Omit<
  HeKernels,
  'expandSeed' | 'encryptSeeded' | 'decrypt' | 'packResidues' | 'unpackResidues'
> = {
  nttForward: (ring, primes, words) => each(ring, primes, words, forward),
  nttInverse: (ring, primes, words) => each(ring, primes, words, inverse),
  accumulate(ring, job) {
    const { blocks } = checkSums(ring, job)
    const n = ring.degree
    const { primes, tiles } = job
    const [inputs, sums] = [wide(job.inputs), wide(job.sums)]
    checkReduced(ring, primes, sums)
    for (let block = 0; block < blocks; block++) {
      for (let prime = 0; prime < primes; prime++) {
        const q = ring.primes[prime]
        const plain = lifted(ring, prime, job.weights.subarray(block * n, (block + 1) * n))
        for (let half = 0; half < 2 * tiles; half++) {
          const upload = job.first + (half >> 1) * job.tileStride + block
          const from = ((2 * upload + (half & 1)) * primes + prime) * n
          const to = (half * primes + prime) * n
          for (let j = 0; j < n; j++) {
            if (inputs[from + j] >= q) throw new RangeError('a residue is not below its prime')
            sums[to + j] = (sums[to + j] + inputs[from + j] * plain[j]) % q
          }
        }
      }
    }
  },
  divideRound,
  addEncryptedZero(ring, key, ternary, noise, words) {
    checkEncryptedZero(ring, key, ternary, noise, words)
    const n = ring.degree
    const primes = ring.primes.length
    const [pk, to] = [wide(key), wide(words)]
    checkReduced(ring, primes, pk)
    checkReduced(ring, primes - 1, to)
    const made = new BigUint64Array(2 * primes * n)
    for (let prime = 0; prime < primes; prime++) {
      const q = ring.primes[prime]
      const u = lifted(ring, prime, ternary)
      for (let half = 0; half < 2; half++) {
        const at = (half * primes + prime) * n
        const x = made.subarray(at, at + n)
        for (let j = 0; j < n; j++) x[j] = (pk[at + j] * u[j]) % q
        inverse(ring, prime, x)
        for (let j = 0; j < n; j++) x[j] = modulo(x[j] + centredError(noise, 6 * (half * n + j)), q)
      }
    }
    const zero = wide(divideRound(ring, primes, new Uint32Array(made.buffer)))
    for (let i = 0; i < to.length; i++) {
      to[i] = (to[i] + zero[i]) % ring.primes[Math.floor(i / n) % (primes - 1)]
    }
  },
  maskShares(ring, primes, bits, stream) {
    const count = checkMask(ring, primes, bits, stream)
    const x = wide(stream)
    const used = ring.primes.slice(0, primes)
    const product = used.reduce((a, b) => a * b, 1n)
    const fraction = 124n
    const scaled = used.map((q) => (1n << (BigInt(bits) + fraction)) / q)
    const cofactors = used.map((q) => (product / q) % q)
    const residues = new BigUint64Array(primes * count)
    const shares = new BigUint64Array(count)
    for (let j = 0; j < count; j++) {
      let sum = 1n << (fraction - 1n)
      for (let i = 0; i < primes; i++) {
        const y = BigInt.asUintN(used[i].toString(2).length, x[j * primes + i])
        if (y >= used[i]) return undefined
        sum += y * scaled[i]
        residues[i * count + j] = (y * cofactors[i]) % used[i]
      }
      shares[j] = BigInt.asUintN(bits, -(sum >> fraction))
    }
    return { residues: new Uint32Array(residues.buffer), shares: new Uint32Array(shares.buffer) }
  },
}
