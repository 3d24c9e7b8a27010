/** models: the networks that come with the program. */
import * as v from 'valibot'
import { countNetwork } from '../../network/counts.ts'
import type { Operation } from '../operation.ts'
import { bundledModels, loadNetwork } from '../source.ts'

export interface ModelRow {
  readonly id: string
  readonly name: string
  readonly dataset: string | null
  /** Fraction of the test images, as the card states it. */
  readonly accuracy: number | null
  readonly relus: number
  readonly macs: number
  readonly params: number
}

const input = v.strictObject({})

export const models: Operation<typeof input, ModelRow[]> = {
  name: 'models',
  summary: 'Lists the bundled models with their counts and accuracy.',
  input,
  async run() {
    const rows: ModelRow[] = []
    for (const id of bundledModels()) {
      const network = await loadNetwork({ model: id })
      const { relus, macs, params } = countNetwork(network.graph, network.tensors)
      const accuracy = network.card?.accuracy?.top1 ?? null
      rows.push({ id, name: network.name, dataset: network.dataset, accuracy, relus, macs, params })
    }
    return rows
  },
}
