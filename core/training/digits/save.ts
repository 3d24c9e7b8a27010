/** Writes a model folder: graph.json, weights.safetensors, card.json. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Graph, Tensors } from '../../network/graph.ts'

/** Layout: https://huggingface.co/docs/safetensors (8-byte little-endian header length, JSON header, data). */
function safetensors(tensors: Tensors): Uint8Array {
  const header: Record<string, { dtype: 'F32'; shape: readonly number[]; data_offsets: [number, number] }> = {}
  let end = 0
  for (const [name, { shape, data }] of tensors) {
    header[name] = { dtype: 'F32', shape, data_offsets: [end, end + data.byteLength] }
    end += data.byteLength
  }
  // Spaces up to a multiple of 8, so that the data is aligned.
  const text = JSON.stringify(header)
  const json = Buffer.from(text.padEnd(Math.ceil(text.length / 8) * 8))
  const out = Buffer.alloc(8 + json.length + end)
  out.writeBigUInt64LE(BigInt(json.length))
  json.copy(out, 8)
  let at = 8 + json.length
  for (const { data } of tensors.values()) {
    for (const value of data) {
      out.writeFloatLE(value, at)
      at += 4
    }
  }
  return out
}

export function writeModel(directory: string, graph: Graph, tensors: Tensors, card: object): void {
  mkdirSync(directory, { recursive: true })
  writeFileSync(join(directory, 'graph.json'), JSON.stringify(graph, null, 2) + '\n')
  writeFileSync(join(directory, 'weights.safetensors'), safetensors(tensors))
  writeFileSync(join(directory, 'card.json'), JSON.stringify(card, null, 2) + '\n')
}
