/** SIGKILL at random moments of imports, edits and purges. ADYTON_SOAK sets the number of kills. */
import { spawn } from 'node:child_process'
import { randomInt } from 'node:crypto'
import { once } from 'node:events'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { listModels } from '../../core/zoo/list.ts'
import { showModel } from '../../core/zoo/show.ts'
import { verifyZoo } from '../../core/zoo/verify.ts'
import { withZoo } from '../../core/zoo/zoo.ts'
import { temporaryFolder } from '../fixtures/zoo.ts'

const CHILD = fileURLToPath(new URL('zoo-child.ts', import.meta.url))
const KILLS = Number(process.env.ADYTON_SOAK ?? 12)

/** Two processes on one catalog; each is killed when it has worked for a random time. */
async function killed(data: string, folder: string, log: string): Promise<void> {
  const child = spawn(process.execPath, [CHILD, data, folder, log], { stdio: ['ignore', 'pipe', 'pipe'] })
  let errors = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => (errors += text))
  const ended = once(child, 'close')
  await Promise.race([once(child.stdout, 'data'), ended])
  await new Promise((resolve) => setTimeout(resolve, randomInt(500)))
  child.kill('SIGKILL')
  await ended
  expect([errors, child.signalCode]).toEqual(['', 'SIGKILL'])
}

test(
  `after ${KILLS} kills no committed model is lost, nothing is left over, and the catalog opens`,
  async () => {
    await using folder = await temporaryFolder()
    const { dir } = folder
    const [data, log] = [join(dir, 'data'), join(dir, 'log')]
    await writeFile(log, '')
    for (let kills = 0; kills < KILLS; kills += 2) {
      await Promise.all([killed(data, dir, log), killed(data, dir, log)])
      const lines = (await readFile(log, 'utf8')).trim().split('\n')
      const ids = (what: string) =>
        new Set(lines.filter((line) => line.startsWith(`${what} `)).map((line) => line.split(' ')[1]))
      const [imported, purging, purged] = [ids('imported'), ids('purging'), ids('purged')]
      await withZoo(data, async (zoo) => {
        const left = [false, true].flatMap((trash) => listModels(zoo, { trash, limit: 1000 }).models)
        const present = new Set(left.map(({ id }) => id))
        for (const id of imported) if (!purging.has(id)) expect(present).toContain(id)
        for (const id of purged) expect(present).not.toContain(id)
        // No row without its file, whatever was going on.
        const before = await verifyZoo(zoo)
        expect([before.database, before.bad]).toEqual([[], []])
        expect(await verifyZoo(zoo, { repair: true })).toMatchObject({ ok: true })
        const after = await verifyZoo(zoo)
        expect(after).toMatchObject({ ok: true, orphans: [] })
        for (const id of present) expect(showModel(zoo, id).files).toHaveLength(4)
      })
    }
    // The children did get to work.
    expect(await readFile(log, 'utf8')).toMatch(/imported/)
  },
  KILLS * 20_000,
)
