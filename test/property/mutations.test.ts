/** A share of the mutation campaign; `npm run soak` does 10,000 in every state. */
import { expect, test } from 'vitest'
import { MESSAGES } from '../../core/channel/messages.ts'
import { runMutations } from '../campaigns/mutations.ts'
import { runSessions } from '../campaigns/sessions.ts'

const MUTATIONS = 200
/**
 * Frames of the channel itself, and those of pairing, which has connections of its own (test/integration/pairing.test.ts
 * changes its messages). Every other message is due in some state.
 */
const isOwn = (name: string): boolean => ['welcome', 'abort', 'close'].includes(name) || name.startsWith('pairing')

test('a mutated frame in any state is a typed error or a valid encoding of something else', async () => {
  const report = await runMutations({ mutations: MUTATIONS })
  expect(report.failures, `seed ${report.seed}`).toEqual([])
  const names = report.states.map(({ name }) => name)
  for (const message of Object.keys(MESSAGES).filter((name) => !isOwn(name))) {
    expect(names.filter((name) => name.split(': ')[1].split(' ')[0].replace(',', '') === message)).not.toEqual([])
  }
  for (const { name, mutations, parsed, codes } of report.states) {
    expect(mutations).toBe(MUTATIONS)
    expect(parsed, `${name}: payloads that reach their parser`).toBeGreaterThan(MUTATIONS / 20)
    expect(
      Object.values(codes).reduce((sum, n) => sum + n, 0),
      `${name}: refusals`,
    ).toBeGreaterThan(MUTATIONS / 20)
  }
}, 600_000)

test('whole sessions with a mutated frame end at both parties, with a typed error or an answer', async () => {
  const report = await runSessions(8)
  expect(report.failures, `seed ${report.seed}`).toEqual([])
  expect(report.sessions).toBe(8)
}, 600_000)
