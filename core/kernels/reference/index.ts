/** The TypeScript kernels: what the native ones must equal byte for byte, and what runs where there is no compiler. */
import type { Kernels } from '../interface.ts'
import { joinBits, sliceBits } from './bits.ts'
import { conv2d, matvec } from './conv.ts'
import { evaluate } from './evaluate.ts'
import { garble } from './garble.ts'
import { referenceHeClient } from './he-client.ts'
import { referenceHe } from './he.ts'
import { expandLabels, selectLabels } from './labels.ts'
import { packResidues, unpackResidues } from './residues.ts'
import { transferKernels } from './transfers.ts'
import { transpose128 } from './transpose.ts'

export const referenceKernels: Kernels = Object.freeze<Kernels>({
  name: 'reference',
  garble,
  evaluate,
  expandLabels,
  selectLabels,
  ...transferKernels(transpose128),
  transpose128,
  sliceBits,
  joinBits,
  conv2d,
  matvec,
  he: Object.freeze({ ...referenceHe, ...referenceHeClient, packResidues, unpackResidues }),
})
