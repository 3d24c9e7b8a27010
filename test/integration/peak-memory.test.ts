import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { expect, test } from 'vitest'
import { peakMemory } from '../../core/api/party/peak-memory.ts'

const MIB = 2 ** 20
const module = new URL('../../core/api/party/peak-memory.ts', import.meta.url).href
const run = (before: string): number =>
  Number(
    execFileSync(
      process.execPath,
      ['--input-type=module', '-e', `import { peakMemory } from '${module}'\n${before}\nconsole.log(peakMemory())`],
      { encoding: 'utf8' },
    ),
  )

test('counts what was freed again', () => {
  const held = 'let held = new Uint8Array(200 * 2 ** 20).fill(1); held = undefined; globalThis.gc?.()'
  expect(run(held)).toBeGreaterThan(200 * MIB)
})

test.skipIf(!existsSync('/proc/self/status'))('does not count the memory of the process that started it', () => {
  const held = new Uint8Array(300 * MIB).fill(1)
  const child = run('')
  expect(peakMemory()).toBeGreaterThan(held.length)
  expect(child).toBeLessThan(held.length)
})
