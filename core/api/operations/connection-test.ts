/** connectionTest: says in words what keeps this machine from a server, or that nothing does. */
import * as v from 'valibot'
import { loadOrCreateIdentity } from '../../channel/identity.ts'
import type { ConnectionTestDetail, ConnectionTestResult } from '../data/connection-test.ts'
import { dataFolder } from '../data-folder.ts'
import { locate, targetEntries } from '../joining/target.ts'
import { testConnection } from '../joining/connection-test.ts'
import type { Operation } from '../operation.ts'
import { PeerStore } from '../peers.ts'

const PATIENCE_MS = 6_000

export const connectionTestInput = v.strictObject({ ...targetEntries, data: v.optional(v.string()) })
export type ConnectionTestInput = v.InferOutput<typeof connectionTestInput>

export const connectionTest: Operation<typeof connectionTestInput, ConnectionTestResult> = {
  name: 'connectionTest',
  summary: 'Tries the way to a server step by step, and says what is wrong and what to do about it.',
  input: connectionTestInput,
  async run(input, context) {
    const data = dataFolder(input.data)
    const peers = new PeerStore(data)
    return await testConnection({
      located: await locate(input, peers),
      identity: await loadOrCreateIdentity(data),
      peers,
      patienceMs: PATIENCE_MS,
      signal: context.signal,
      onStep: (steps) => {
        const detail: ConnectionTestDetail = { kind: 'connectionTest', steps }
        context.onProgress({ text: steps.at(-1)?.text ?? '', detail })
      },
    })
  },
}
