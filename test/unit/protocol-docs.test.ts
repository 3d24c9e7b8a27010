/** docs/protocol.md lists every message, and the tests that it names exist. */
import { existsSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { HEADER_BYTES } from '../../core/channel/frames.ts'
import { messageName, MESSAGES } from '../../core/channel/messages.ts'
import { frameGroups } from '../../core/protocol/sizes.ts'
import { circuit, DENSE, tinyModel } from '../fixtures/tiny-networks.ts'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const read = (file: string): string => readFileSync(path.join(ROOT, file), 'utf8')
const protocol = read('docs/protocol.md')

interface Row {
  readonly message: string
  readonly direction: string
  readonly phase: string
  readonly hiddenBy: string
  readonly tests: readonly { readonly file: string; readonly title: string }[]
  readonly cells: readonly string[]
}

/** Rows of the table under "Every message". */
function rows(): Row[] {
  const section = protocol.slice(protocol.indexOf('## 10. Every message'), protocol.indexOf('## 11.'))
  return section
    .split('\n')
    .filter((line) => line.startsWith('| `'))
    .map((line) => {
      const cells = line
        .split('|')
        .slice(1, -1)
        .map((cell) => cell.trim())
      const [message, direction, phase, , , hiddenBy, tests] = cells
      return {
        message: message.replaceAll('`', ''),
        direction,
        phase,
        hiddenBy,
        tests: [...tests.matchAll(/`(test\/[^`]+)` "([^"]+)"/g)].map(([, file, title]) => ({ file, title })),
        cells,
      }
    })
}

const table = rows()

describe('the table of messages', () => {
  test('has one row for every message, and no other', () => {
    expect(table.map(({ message }) => message).sort()).toEqual(Object.keys(MESSAGES).sort())
  })

  test.each(table)('$message: every cell is filled and every test that is named exists', ({ cells, tests }) => {
    expect(cells).toHaveLength(7)
    for (const cell of cells) expect(cell).not.toBe('')
    expect(tests.length).toBeGreaterThan(0)
    // Nothing in the last cell but references.
    expect(cells[6].split('<br>')).toHaveLength(tests.length)
    for (const { file, title } of tests) {
      expect(existsSync(path.join(ROOT, file)), file).toBe(true)
      const quoted = [`'${title}'`, `"${title}"`, `\`${title}\``]
      expect(
        quoted.some((text) => read(file).includes(text)),
        `${file} has a test "${title}"`,
      ).toBe(true)
    }
  })

  test('says who sends what, and when, as the code does', () => {
    const models = [tinyModel(DENSE, 0.5), tinyModel(circuit(16), 1, { reveal: 'label' })]
    const groups = models.flatMap(({ plan }) => frameGroups(plan))
    const seen = new Set<string>()
    for (const { type, from, phase } of groups) {
      const row = table.find(({ message }) => message === messageName(type))
      seen.add(messageName(type))
      expect(row?.direction).toBe(from === 'client' ? 'client to server' : 'server to client')
      expect(row?.phase.split(', ')).toContain(phase)
    }
    // All but the greeting's and the ends: whose rows say setup or any.
    const rest = table.filter(({ message }) => !seen.has(message))
    for (const { message, phase } of rest) expect([message, ['setup', 'any'].includes(phase)]).toEqual([message, true])
  })
})

test('numbers in the text are those of the code', () => {
  expect(protocol).toContain(`A frame is a ${HEADER_BYTES}-byte header`)
  expect(protocol).toContain(`add ${HEADER_BYTES} for the header`)
})

describe('the threat model', () => {
  const threats = read('docs/threat-model.md')

  test('names every field of the plan that weights or calibration decide', () => {
    // The list that test/integration/privacy-plan.test.ts holds the lowering to.
    const declared = /const DECLARED = \[([^\]]*(?:\[\][^\]]*)*)\]\n/.exec(
      read('test/integration/privacy-plan.test.ts'),
    )
    const fields = [...(declared?.[1] ?? '').matchAll(/'([^']+)'/g)].map(([, field]) => field.replaceAll('[]', ''))
    expect(fields.length).toBeGreaterThan(8)
    for (const field of fields) expect(threats).toContain(`\`${field.split('.').at(-1)}\``)
  })

  test('tells what the program tells where a server is started', () => {
    for (const claim of [
      'A malicious client can extract the weights',
      'A malicious server can see the image',
      'Outputs leak',
    ]) {
      expect(threats).toContain(claim)
    }
  })
})
