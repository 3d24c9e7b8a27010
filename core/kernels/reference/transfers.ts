/**
 * Both ends of a correlated transfer by SoftSpokenOT (Roy, Crypto 2022, section 3): the sums over the leaves of small
 * trees that core/ot/trees.ts grows. AES is OpenSSL's, so this is also what runs beside native kernels whose instruction
 * set has no AES.
 */
import { checkChoices, checkCorrelation, checkLabelMemory, checkLeafKeys } from '../check.ts'
import type { Kernels, LeafKeys } from '../interface.ts'
import { expandLabels } from './labels.ts'
import { asBytes, asWords } from './words.ts'

/** The transfers' calls of {@link Kernels}, around a transposition. */
export function transferKernels(
  transpose: Kernels['transpose128'],
): Pick<Kernels, 'cotChoose' | 'cotLabels' | 'cotSend'> {
  const turned = (columns: Int32Array, n: number, memory: Uint8Array | undefined): Uint8Array => {
    const labels = transpose(asBytes(columns), n)
    if (memory === undefined) return labels
    memory.set(labels)
    return memory
  }
  return {
    cotChoose(leaves, firstBlock, n, choices) {
      checkLeafKeys(leaves, firstBlock, n)
      checkChoices(choices, n)
      const row = n / 32
      const { totals } = sums(leaves, firstBlock, row)
      const bits = asWords(choices)
      for (let i = 0; i < totals.length; i++) totals[i] ^= bits[i % row]
      return asBytes(totals)
    },
    cotLabels(leaves, firstBlock, n, memory) {
      checkLeafKeys(leaves, firstBlock, n)
      checkLabelMemory(n, memory)
      return turned(sums(leaves, firstBlock, n / 32).columns, n, memory)
    },
    cotSend(leaves, firstBlock, n, delta, message, memory) {
      checkLeafKeys(leaves, firstBlock, n)
      checkCorrelation(leaves, n, delta, message)
      checkLabelMemory(n, memory)
      const row = n / 32
      const { columns } = sums(leaves, firstBlock, row)
      const sent = asWords(message)
      for (let c = 0; c < 128; c++) {
        const mask = -((delta[c >> 3] >> (c & 7)) & 1)
        const from = Math.floor(c / leaves.bits) * row
        for (let i = 0; i < row; i++) columns[c * row + i] ^= mask & sent[from + i]
      }
      return turned(columns, n, memory)
    },
  }
}

/** [128][row] sums of keystreams by bit of the leaf's number, and [trees][row] sums of all leaves; rows of words. */
function sums(
  { bits, keys }: LeafKeys,
  firstBlock: number,
  row: number,
): { readonly columns: Int32Array; readonly totals: Int32Array } {
  const trees = 128 / bits
  const columns = new Int32Array(128 * row)
  const totals = new Int32Array(trees * row)
  for (let tree = 0; tree < trees; tree++) {
    const at = tree * 16 * 2 ** bits
    let level: Int32Array[] = Array.from({ length: 2 ** bits }, (_, x) =>
      asWords(expandLabels(keys.subarray(at + 16 * x, at + 16 * x + 16), firstBlock, row / 4)),
    )
    // Leaves are added up in pairs; the odd ones of each round are those whose number has the round's bit.
    for (let bit = 0; bit < bits; bit++) {
      const column = columns.subarray((tree * bits + bit) * row, (tree * bits + bit + 1) * row)
      const next: Int32Array[] = []
      for (let x = 0; x < level.length; x += 2) {
        const [even, odd] = [level[x], level[x + 1]]
        for (let i = 0; i < row; i++) {
          column[i] ^= odd[i]
          even[i] ^= odd[i]
        }
        next.push(even)
      }
      level = next
    }
    totals.set(level[0], tree * row)
  }
  return { columns, totals }
}
