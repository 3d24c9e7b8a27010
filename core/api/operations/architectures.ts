/** architectures: the named networks, as large as they are for images of a shape. */
import * as v from 'valibot'
import { architecture, ARCHITECTURES } from '../../architectures/index.ts'
import { AdytonError } from '../../errors/errors.ts'
import { countNetwork } from '../../network/counts.ts'
import type { Operation } from '../operation.ts'

export interface ArchitectureRow {
  /** What train takes. */
  readonly name: string
  readonly relus: number
  readonly macs: number
  readonly params: number
}

const side = v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(4096))
const input = v.strictObject({
  classes: v.optional(v.pipe(v.number(), v.integer(), v.minValue(2), v.maxValue(100_000)), 10),
  /** [channels, height, width]; of each network its usual one unless given. */
  shape: v.exactOptional(v.tuple([side, side, side])),
})
export type ArchitecturesInput = v.InferOutput<typeof input>

export const architectures: Operation<typeof input, ArchitectureRow[]> = {
  name: 'architectures',
  summary: 'Lists the named networks that fit images of a shape, with their counts, the smallest first.',
  input,
  run: ({ classes, shape }) => {
    const rows = ARCHITECTURES.flatMap((name): ArchitectureRow[] => {
      try {
        const graph = architecture(name, { classes, ...(shape === undefined ? {} : { inputShape: shape }) })
        const { relus, macs, params } = countNetwork(graph)
        return [{ name, relus, macs, params }]
      } catch (error) {
        // The images are too small for its pooling.
        if (error instanceof AdytonError) return []
        throw error
      }
    })
    return Promise.resolve(rows.sort((a, b) => a.macs - b.macs))
  },
}
