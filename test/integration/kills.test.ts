/** A few SIGKILLs of either party at random moments; `npm run soak` does hundreds. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { LocalRun } from '../../core/api/local-run.ts'
import { loadNetwork, lowerNetwork, publicCard } from '../../core/api/source.ts'
import { AdytonError } from '../../core/errors/errors.ts'
import { loadKernels } from '../../core/kernels/index.ts'
import { runKills } from '../campaigns/kills.ts'
import { startParties } from '../fixtures/parties.ts'

test('a killed party leaves stores that open, no package is used twice, and the survivor says what happened', async () => {
  const report = await runKills({ kills: { client: 4, server: 4 } })
  expect(report.failures).toEqual([])
  for (const role of ['client', 'server'] as const) expect(report.struck[role]).toEqual({ offline: 2, online: 2 })
  expect(report.slowestReport).toBeLessThan(5_000)
  // Each kill was followed by an inference that gave the right answer.
  expect(report.answered).toBeGreaterThanOrEqual(8)
}, 600_000)

test.each(['client', 'server'] as const)(
  'a local run whose %s process is killed ends with an error',
  async (victim) => {
    const network = await loadNetwork({ arch: 'lenet-tiny', classes: 10, reluKeep: 1, seed: 'local' })
    const model = lowerNetwork(network)
    let strike = (): void => undefined
    const run = await LocalRun.start({
      model,
      card: publicCard(network),
      threads: { client: 0, server: 0 },
      kernels: null,
      revealSeeds: false,
      onProgress: (_party, { what }) => what === 'answered' && strike(),
    })
    try {
      let killed = 0
      strike = () => {
        strike = () => undefined
        killed = performance.now()
        process.kill(run.pids[victim] as number, 'SIGKILL')
      }
      const image = new Float64Array(model.plan.values[0].length)
      const error = await run.infer(image).catch((reason: unknown) => reason)
      expect(performance.now() - killed).toBeLessThan(5_000)
      expect(error).toBeInstanceOf(AdytonError)
      expect((error as AdytonError).message).toMatch(/the peer closed|connection to the peer|process ended by SIGKILL/)
      await expect(run.infer(image)).rejects.toBeInstanceOf(AdytonError)
    } finally {
      await run.close()
    }
  },
)

test('a package that only the client has is refused by name, and one that it used itself costs no connection', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'adyton-lone-'))
  const model = lowerNetwork(await loadNetwork({ arch: 'lenet-tiny', classes: 10, reluKeep: 1, seed: 'lone' }))
  const image = new Float64Array(model.plan.values[0].length)
  const options = { kernels: loadKernels(), folder }
  const first = await startParties(model, options)
  try {
    const { id: used } = await first.client.prepare()
    const { id: burned } = await first.client.prepare()
    const { id: missing } = await first.client.prepare()
    await first.client.infer(used, image)
    await expect(first.client.infer(used, image)).rejects.toMatchObject({ code: 'package-used' })
    // The connection lives on: what follows is refused by the server.
    const reader = await first.stores.server.take(burned)
    await reader.close()
    await expect(first.client.infer(burned, image)).rejects.toMatchObject({ code: 'package-used' })
    await first.close()
    rmSync(join(folder, 'server', 'ready', missing), { recursive: true })
    const second = await startParties(model, options)
    await expect(second.client.infer(missing, image)).rejects.toMatchObject({ code: 'package-missing' })
    // Refused or not, the client sent a request for it: it is used up.
    await expect(second.stores.client.take(missing)).rejects.toMatchObject({ code: 'package-used' })
    await second.close()
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}, 300_000)
