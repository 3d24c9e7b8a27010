/** What each party saw reaches who watches a job, and nothing that is kept: no database, no file. */
import { copyFile, readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import sharp from 'sharp'
import * as v from 'valibot'
import { expect, test } from 'vitest'
import type { InferenceDetail } from '../../core/api/data/progress.ts'
import type { InferenceViews } from '../../core/api/data/views.ts'
import { Host } from '../../core/api/host.ts'
import { operations } from '../../core/api/index.ts'
import type { InferResult } from '../../core/api/operations/infer.ts'
import { importModel } from '../../core/zoo/import.ts'
import { withZoo } from '../../core/zoo/zoo.ts'
import { AdytonError } from '../../core/errors/errors.ts'
import type { Job, JobProgress } from '../../core/jobs/job.ts'
import { temporaryFolder } from '../fixtures/zoo.ts'

const SAMPLE = fileURLToPath(new URL('../../resources/samples/seven.png', import.meta.url))
const DIGITS = fileURLToPath(new URL('../../resources/models/digits', import.meta.url))

/** Every file of a folder, in one piece. */
async function everything(folder: string): Promise<Buffer> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true })
  const files = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name))
  return Buffer.concat(await Promise.all(files.map((file) => readFile(file))))
}

function until(host: Host, id: string, ...states: Job['state'][]): Promise<Job> {
  return new Promise((resolve) => {
    const end = host.queue.listen(() => {
      const job = host.queue.get(id)
      if (!states.includes(job.state)) return
      end()
      resolve(job)
    })
  })
}

const pixels = async (url: string): Promise<{ data: Buffer; width: number; height: number; channels: number }> => {
  const png = Buffer.from(url.replace(/^data:image\/png;base64,/, ''), 'base64')
  const { width, height, channels } = await sharp(png).metadata()
  const data = await sharp(png).toColourspace('b-w').raw().toBuffer()
  return { data, width, height, channels }
}

test('views are shown to who watches and are nowhere in the data folder', async () => {
  await using folder = await temporaryFolder()
  await using elsewhere = await temporaryFolder()
  const { dir } = folder
  const { id } = await withZoo(dir, (zoo) => importModel(zoo, DIGITS))
  const picture = join(elsewhere.dir, 'seven.png')
  await copyFile(SAMPLE, picture)
  const told: JobProgress[] = []
  let host = await Host.open(dir)
  const open: Buffer[] = []
  try {
    host.queue.listen((event) => {
      if (event.kind === 'progress') told.push(event.progress)
    })
    const input = { source: { model: `zoo:${id}` }, pictures: [SAMPLE, picture], views: { image: 1, step: 'pool1' } }
    const job = host.queue.submit('infer', input, 'two sevens')
    const done = await until(host, job.id, 'done', 'failed')
    expect(done.error).toBeNull()
    const result = done.result as InferResult
    expect(result.predictions.map(({ label }) => label)).toEqual([7, 7])
    expect(result.intervals.agreement.high).toBe(1)
    for (const layer of result.layers) {
      for (const phase of ['offline', 'online'] as const) {
        const kinds = Object.values(layer.kindBytes[phase])
        const up = kinds.reduce((sum, kind) => sum + kind.clientToServer, 0)
        expect(up).toBe(layer.bytes[phase].clientToServer)
      }
    }
    // A window that comes late finds them with the job, as long as the program runs.
    expect(done.progress?.transient).toBeDefined()
    // While the database is open, its journal counts too.
    open.push(await everything(dir))
  } finally {
    await host.close()
  }

  const views = told.at(-1)?.transient as InferenceViews
  expect(views).toMatchObject({ kind: 'views', image: 1, step: { id: 'pool1' } })
  const { input, step } = views
  const shown = await pixels(input.truth)
  expect(shown).toMatchObject({ width: 28, height: 28, channels: 1 })
  // Ink is bright, and the client's mask and the server's masked picture are noise: hardly a grey value twice in a row.
  expect(Math.max(...shown.data)).toBeGreaterThan(200)
  for (const url of [input.client, input.server]) {
    const { data } = await pixels(url)
    expect(data.filter((byte, i) => byte === data[i + 1]).length).toBeLessThan(data.length / 20)
  }
  const wires = [...(step?.circuit?.client ?? []), ...(step?.circuit?.server ?? [])]
  expect(wires).toHaveLength(8)
  for (const { held, pair } of wires) expect(pair).toContain(held)

  const fractions = told.map(({ fraction = 0 }) => fraction)
  expect(fractions).toEqual(fractions.toSorted((a, b) => a - b))
  const last = told.at(-1)?.detail as InferenceDetail
  expect(last.answers.map(({ label, clear }) => [label, clear])).toEqual([
    [7, 7],
    [7, 7],
  ])
  // The last image's bytes, all of them.
  for (const { bytes } of last.steps)
    expect([bytes.offline.done, bytes.online.done]).toEqual([bytes.offline.total, bytes.online.total])

  const secrets = [
    ...[input, step?.output].flatMap((value) => [value?.client, value?.server, value?.truth]),
    ...wires.flatMap(({ pair }) => pair),
  ].filter((secret) => secret !== undefined)
  const stored = await everything(dir)
  expect(stored.includes(SAMPLE)).toBe(true)
  for (const all of [...open, stored]) {
    for (const secret of secrets) {
      const base64 = secret.replace(/^data:image\/png;base64,/, '')
      expect(all.includes(base64.slice(0, 400).slice(-64))).toBe(false)
      expect(all.includes(Buffer.from(base64, base64 === secret ? 'hex' : 'base64').subarray(-60))).toBe(false)
    }
    expect(all.includes('transient')).toBe(false)
  }

  host = await Host.open(dir)
  try {
    const [job] = host.queue.list()
    expect(job.progress).toMatchObject({ fraction: 1 })
    expect(job.progress).not.toHaveProperty('transient')
  } finally {
    await host.close()
  }
}, 180_000)

test('nothing that talks to another machine can be asked for views', () => {
  for (const name of ['serve', 'connect'] as const) {
    const checked = v.safeParse(operations[name].input, { views: { image: 0 } })
    expect(checked.issues?.some((issue) => v.getDotPath(issue) === 'views' && issue.expected === 'never')).toBe(true)
  }
})

test('an image or a step that is not there is refused before anything runs', async () => {
  const run = (views: { image: number; step?: string }) =>
    operations.infer.run(v.parse(operations.infer.input, { source: { model: 'digits' }, picture: SAMPLE, views }), {
      onProgress: () => undefined,
      onNotice: () => undefined,
      signal: new AbortController().signal,
    })
  const refused = async (views: { image: number; step?: string }): Promise<AdytonError> => {
    const error: unknown = await run(views).then(undefined, (reason: unknown) => reason)
    if (error instanceof AdytonError) return error
    throw new Error('it was not refused')
  }
  const image = await refused({ image: 1 })
  expect([image.code, image.message]).toEqual(['usage', 'there is no image 1: they are numbered from 0 to 0'])
  const step = await refused({ image: 0, step: 'nowhere' })
  expect(step.code).toBe('usage')
  expect(step.advice).toContain('pool1')
})
