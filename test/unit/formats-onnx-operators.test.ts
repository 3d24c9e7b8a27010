import { describe, expect, it } from 'vitest'
import { arithmetic, pools } from '../fixtures/onnx-joins.ts'
import { activations, convolutions, dense, normalisations } from '../fixtures/onnx-layers.ts'
import { bytesOf, difference, imported } from '../fixtures/onnx-models.ts'
import { folding, passing, shapes } from '../fixtures/onnx-shapes.ts'

const families = { convolutions, dense, normalisations, activations, arithmetic, pools, shapes, passing, folding }

describe.each(Object.entries(families))('ONNX operators: %s', (_, rows) => {
  it.each(rows.flatMap((r) => r.opsets.map((opset) => [r.name, opset, r] as const)))(
    '%s, opset %i',
    async (_name, opset, r) => {
      const network = await imported(bytesOf({ opset, ...r.model(opset) }))
      expect(await difference(network)).toBeLessThan(1e-5)
    },
  )
})
