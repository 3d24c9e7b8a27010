/**
 * HE work of both parties on every native kernel that runs on this machine, against node-seal's evaluator in the same run:
 *   npx node test/bench/he.ts [--primes 60,60,60] [--kernels portable|armv8|avx2|vaes256|vaes512] [--runs 20] [--json]
 * Milliseconds of processor time in one thread, medians over runs; our runs and node-seal's alternate. As JSON, unless
 * told otherwise, only the kernels that the protocol takes.
 */
import { randomBytes, randomFillSync } from 'node:crypto'
import { parseArgs } from 'node:util'
import { KernelCipher } from '../../core/he/cipher-kernel.ts'
import { SealCipher } from '../../core/he/cipher-seal.ts'
import { generateKeys } from '../../core/he/client.ts'
import { KernelEvaluator, ternary } from '../../core/he/evaluator-kernel.ts'
import { SealEvaluator } from '../../core/he/evaluator-seal.ts'
import { HE_PRIMES, POLY_DEGREE, primesOf } from '../../core/he/parameters.ts'
import { HeContext, type Serialised } from '../../core/he/seal.ts'
import { HeShape } from '../../core/he/shape.ts'
import { packAnswer, unpackSeeded } from '../../core/he/wire.ts'
import { availableNative, heRing, loadKernels, type HeKernels, type HeRing } from '../../core/kernels/index.ts'
import { Prg } from '../../core/ring/prg.ts'
import { median, row, type Row } from './row.ts'

const { values: options } = parseArgs({
  options: {
    primes: { type: 'string' },
    kernels: { type: 'string' },
    runs: { type: 'string', default: '20' },
    json: { type: 'boolean', default: false },
  },
})

const N = POLY_DEGREE
/** Of ResNet-18 with few ReLUs; a narrower ring takes narrower primes. */
const DEFAULT_PRIMES = '60,60,60'
/** Products summed in one go, each with a weight plaintext of its own, as in most layers. */
const BLOCKS = 16

/** One figure: `ours` and `theirs` do the work `count` times. */
interface Measure {
  readonly id: string
  readonly label: string
  readonly count: number
  readonly ours: () => void
  readonly theirs: () => void
}

const cpu = (work: () => void): number => {
  const from = process.cpuUsage()
  work()
  const { user, system } = process.cpuUsage(from)
  return (user + system) / 1000
}

function residues(ring: HeRing, primes: number, polys: number): Uint32Array {
  const out = randomFillSync(new BigUint64Array(polys * primes * ring.degree))
  for (let i = 0; i < out.length; i++) out[i] %= ring.primes[Math.floor(i / ring.degree) % primes]
  return new Uint32Array(out.buffer)
}

function measures(context: HeContext, he: HeKernels): Measure[] {
  const { seal, evaluator, params } = context
  const ring = heRing(N, [...primesOf(params)])
  const primes = context.primes('data')
  const weights = randomFillSync(new Int32Array(BLOCKS * N)).map((w) => w >> 19)
  const inputs = residues(ring, primes, 2 * BLOCKS)
  const size = 4 * primes * N
  const load = (words: Uint32Array, buffer: Serialised) => {
    buffer.words.set(words)
    const made = new seal.Ciphertext()
    context.load(made, buffer)
    return made
  }
  const loaded = Array.from({ length: BLOCKS }, (_, i) =>
    load(inputs.subarray(i * size, (i + 1) * size), context.ciphertextBuffer('data', true)),
  )
  const plains = Array.from({ length: BLOCKS }, (_, block) => {
    const buffer = context.plainBuffer()
    weights.subarray(block * N, (block + 1) * N).forEach((w, i) => {
      buffer.words[2 * i] = w
      buffer.words[2 * i + 1] = w < 0 ? 1 : 0
    })
    const plain = new seal.Plaintext()
    context.load(plain, buffer)
    return plain
  })
  const transformed = plains.map((plain) => {
    const made = new seal.Plaintext()
    evaluator.plainTransformToNtt(plain, context.parmsId('data'), made)
    return made
  })
  const [scratch, total, product] = [new seal.Plaintext(), new seal.Ciphertext(), new seal.Ciphertext()]
  const sumUp = (transform: boolean): void => {
    for (let i = 0; i < BLOCKS; i++) {
      if (transform) evaluator.plainTransformToNtt(plains[i], context.parmsId('data'), scratch)
      evaluator.multiplyPlain(loaded[i], transform ? scratch : transformed[i], i === 0 ? total : product)
      if (i > 0) evaluator.addInplace(total, product)
    }
  }
  const sums = new Uint32Array(size)
  const job = { primes, inputs, first: 0, tiles: 1, tileStride: 1, weights, sums }
  // Eight tiles share one transform of a weight plaintext: what is left is nearly all products.
  const tiled = {
    ...job,
    tiles: 8,
    tileStride: 1,
    weights: weights.subarray(0, 8 * N),
    sums: new Uint32Array(8 * size),
  }
  const words = residues(ring, primes, 2)
  const open = residues(ring, primes, 2)
  const ciphertext = load(open, context.ciphertextBuffer('data', false))

  const buffer = context.seededBuffer('key', true)
  const keys = generateKeys(context)
  unpackSeeded(context, keys.publicKey, 'key', buffer, 'key')
  const key = new seal.PublicKey()
  context.load(key, buffer)
  const keyWords = context.publicKeyWords(key)
  const encryptor = new seal.Encryptor(context.context, key)
  const zero = new seal.Ciphertext()

  const shape = new HeShape(params, he)
  const ciphers = [new KernelCipher(shape, he, keys.secretKey), new SealCipher(context, keys.secretKey)]
  const evaluators = [new KernelEvaluator(shape, he, keys.publicKey), new SealEvaluator(context, keys.publicKey)]
  const plain = randomFillSync(new Uint32Array(2 * N)).map((w, i) => (i % 2 === 0 ? w : w & 1))
  const upload = ciphers[0].encrypt(plain)
  const expanded = new Uint32Array(size)
  const results = Uint32Array.from({ length: N / 2 }, (_, i) => i)
  const answer = packAnswer(shape, residues(ring, shape.primes('answer'), 2), results)
  const party = (id: string, label: string, work: (which: 0 | 1) => unknown): Measure => ({
    ...{ id, label, count: 1 },
    ours: () => void work(0),
    theirs: () => void work(1),
  })

  return [
    party('he.encrypt', 'upload encrypted and packed', (which) => ciphers[which].encrypt(plain)),
    party('he.upload', 'upload unpacked, expanded, in NTT form', (which) =>
      evaluators[which].transform(upload, expanded, 'upload'),
    ),
    party('he.decrypt', 'answer unpacked and decrypted', (which) => ciphers[which].decrypt(answer, results, 'answer')),
    {
      id: 'he.mac',
      label: 'product, weights transformed',
      count: BLOCKS,
      ours: () => he.accumulate(ring, job),
      theirs: () => sumUp(true),
    },
    {
      id: 'he.products',
      label: 'product, 8 tiles to a transform',
      count: 64,
      ours: () => he.accumulate(ring, tiled),
      theirs: () => {
        for (let tile = 0; tile < 8; tile++) {
          for (let i = 0; i < 8; i++) {
            if (tile === 0) evaluator.plainTransformToNtt(plains[i], context.parmsId('data'), scratch)
            evaluator.multiplyPlain(loaded[tile + i], transformed[i], product)
            if (i > 0) evaluator.addInplace(total, product)
          }
        }
      },
    },
    {
      id: 'he.ntt',
      label: 'ciphertext to NTT form and back',
      count: 1,
      ours: () => {
        he.nttForward(ring, primes, words)
        he.nttInverse(ring, primes, words)
      },
      theirs: () => {
        evaluator.cipherTransformToNttInplace(ciphertext)
        evaluator.cipherTransformFromNttInplace(ciphertext)
      },
    },
    {
      id: 'he.zero',
      label: 'encryption of zero',
      count: 1,
      ours: () => {
        const random = new Prg(randomBytes(16))
        he.addEncryptedZero(ring, keyWords, ternary(random, N), random.bytes(12 * N), open)
      },
      theirs: () => {
        encryptor.encryptZero(zero)
        evaluator.addInplace(ciphertext, zero)
      },
    },
  ]
}

const rows: Row[] = []
const runs = Number(options.runs)
const chosen = options.primes === undefined ? HE_PRIMES : [options.primes.split(',').map(Number)]
const best = availableNative().at(-1)
for (const primeBits of chosen) {
  const context = await HeContext.create({ plainBits: 33, polyDegree: N, primeBits }, 'server')
  for (const set of availableNative()) {
    if (options.kernels === undefined ? options.json && set !== best : options.kernels !== set) continue
    const kernels = loadKernels({ force: `native:${set}` })
    const primes = `primes of ${primeBits.join(', ')} bits`
    if (!options.json) console.log(`${kernels.name}, ${primes}`)
    // The plain ids are those of the parameters that most networks have.
    const suffix = primeBits.join() === DEFAULT_PRIMES ? '' : `.${primeBits.join('-')}`
    for (const { id, label, count, ours, theirs } of measures(context, kernels.he)) {
      const times: [number[], number[]] = [[], []]
      for (let run = -1; run < runs; run++) {
        const pair = [cpu(ours) / count, cpu(theirs) / count]
        if (run >= 0) pair.forEach((ms, i) => times[i].push(ms))
      }
      const other = median(times[1])
      const against = { label: 'node-seal', value: other }
      const made = row(`${id}${suffix}`, `${label}, ${primes}`, 'ms', times[0], against, kernels.name)
      rows.push(made)
      if (id === 'he.mac') {
        const ratio = [made.ratio as number]
        const once = { label: 'node-seal', value: 1 }
        const what = `products as fast as node-seal's, ${primes}`
        rows.push({ ...row(`${id}.ratio${suffix}`, what, 'times', ratio, once, kernels.name), runs })
      }
      if (options.json) continue
      const figures = `${made.value.toFixed(3)} ms, node-seal ${other.toFixed(3)} ms, ${(made.ratio as number).toFixed(1)} times`
      console.log(`  ${label.padEnd(34)} ${figures}`)
    }
  }
  context.delete()
}
if (options.json) console.log(JSON.stringify(rows, undefined, 2))
