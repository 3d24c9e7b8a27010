/** docs/formats.md names every operator and layer that is read or refused, and no other. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { LAYERS } from '../../core/formats/keras/layers.ts'
import { OPSETS } from '../../core/formats/onnx/network.ts'
import { OPERATORS } from '../../core/formats/onnx/operators/index.ts'
import { REFUSED } from '../../core/formats/onnx/operators/refused.ts'
import { WRITTEN_OPSETS } from '../../core/formats/onnx/write.ts'
import { OPERATIONS } from '../../core/formats/tfjs/operations.ts'

const text = readFileSync(join(import.meta.dirname, '..', '..', 'docs', 'formats.md'), 'utf8')

/** What is between two pieces of text. */
function between(start: string, end: string): string {
  const [, section] = new RegExp(`${start}\\n([^]*?)\\n${end}`).exec(text) ?? []
  if (section === undefined) throw new Error(`docs/formats.md has no '${start}' before '${end}'`)
  return section
}

const quoted = (section: string): string[] => [...section.matchAll(/`([A-Za-z0-9_]+)`/g)].map(([, name]) => name).sort()
/** Names in the first column of a table. */
const firsts = (section: string): string[] =>
  section
    .split('\n')
    .filter((line) => line.startsWith('| `'))
    .flatMap((line) => quoted(line.split('|')[1]))
    .sort()

test('operators of ONNX that are read', () => {
  expect(firsts(between('### Operators', 'Constants are computed'))).toEqual([...OPERATORS.keys()].sort())
})

test('operators of ONNX that are refused with a reason of their own', () => {
  expect(firsts(between('Refused with a reason[^\\n]*', 'Operators of other'))).toEqual([...REFUSED.keys()].sort())
})

test('opsets', () => {
  expect(text).toContain(`opsets ${OPSETS.min} to ${OPSETS.max}`)
  expect(text).toContain(`opsets ${WRITTEN_OPSETS.min} to ${WRITTEN_OPSETS.max}`)
})

test('layers of Keras', () => {
  const section = between('## Keras', '## TensorFlow.js')
  const without = quoted(between('Without effect[^\\n]*', '`Lambda`') + /Without effect[^\n]*/.exec(section)?.[0])
  expect([...firsts(section), ...without].sort()).toEqual([...LAYERS.keys()].sort())
})

test('operations of TensorFlow', () => {
  const section = between('## TensorFlow.js', '## Is it')
  expect(quoted(/have the operations([^]*?), with/.exec(section)?.[1] ?? '')).toEqual([...OPERATIONS.keys()].sort())
})
