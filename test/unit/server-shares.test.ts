/** The server keeps a share for as long as a step reads it. */
import { describe, expect, test } from 'vitest'
import { stepInputs } from '../../core/protocol/local.ts'
import { Shares } from '../../core/protocol/server/shares.ts'
import type { Plan } from '../../core/network/plan.ts'
import { ring, type RingVector } from '../../core/ring/ring.ts'
import { fromWords } from '../../core/ring/vector.ts'

/** 0 -> 1 -> 2, 2 reshaped to 3, 3 + 1 -> 4, revealed: only what the class looks at. */
const plan = {
  steps: [
    { op: 'linear', input: 0, output: 1 },
    { op: 'activation', input: 1, output: 2 },
    { op: 'reshape', input: 2, output: 3 },
    { op: 'add', inputs: [3, 1], output: 4 },
    { op: 'reveal', input: 4 },
  ],
} as unknown as Plan
const share = (words: Uint32Array = Uint32Array.of(1, 2, 3)): RingVector => fromWords(ring(20), words.length, words)

/** Carries out the steps; `each` is told of every share that there ever was. */
function run(shares: Shares, each: (step: number, made: ReadonlyMap<number, RingVector>) => void): void {
  const made = new Map([[0, share()]])
  shares.set(0, share(made.get(0)?.words))
  for (const [index, step] of plan.steps.entries()) {
    for (const input of stepInputs(step)) expect(shares.get(input).words.length).toBe(3)
    if (step.op !== 'reveal') {
      const output = step.op === 'reshape' ? share(shares.get(step.input).words) : share()
      shares.set(step.output, output)
      made.set(step.output, output)
    }
    shares.after(index)
    each(index, made)
  }
}

describe('shares of the server', () => {
  test('are freed after the last step that reads them or their memory', () => {
    const shares = new Shares(plan, undefined)
    const freed: string[] = []
    run(shares, (step, made) => {
      for (const [value, { words }] of made) if (words.length === 0) freed.push(`${value} after ${step}`)
    })
    expect(freed.filter((line) => line.endsWith('after 0'))).toEqual(['0 after 0'])
    // 2 and 3 are one memory, which is read as 3; 1 is read again with it.
    expect(freed.filter((line) => line.endsWith('after 2'))).toEqual(['0 after 2'])
    expect(freed.filter((line) => line.endsWith('after 3'))).toEqual([
      '0 after 3',
      '1 after 3',
      '2 after 3',
      '3 after 3',
    ])
    expect(freed.filter((line) => line.endsWith('after 4')).length).toBe(5)
    expect(() => shares.get(1)).toThrow('value 1 is read before it is shared')
  })

  test('all stay for a witness', () => {
    const seen: number[] = []
    const shares = new Shares(plan, { share: (value, { words }) => seen.push(value, words.length) })
    run(shares, (_, made) => {
      for (const { words } of made.values()) expect(words.length).toBe(3)
    })
    shares.show()
    expect(seen).toEqual([0, 3, 1, 3, 2, 3, 3, 3, 4, 3])
  })
})
