/** Inferences that are over, wherever they are kept: as jobs, or in the catalog with their network. */
import type { WindowJob } from '../../core/api/data/contract.ts'
import { host, jobs } from '../app/app.svelte.ts'
import { readAccount, type Account } from './account.ts'
import { RUNS } from './run.ts'
import { text } from './text.ts'

export interface Recorded {
  /** For addresses: 'job.ID' or 'zoo.MODEL.AT'. */
  readonly key: string
  readonly title: string
  /** ms since 1970. */
  readonly at: number
  readonly account: Account
}

/** Jobs of this screen, the newest first. */
export function runs(): readonly WindowJob[] {
  return jobs.all.filter(({ operation }) => RUNS.includes(operation)).toReversed()
}

export function jobKey(job: WindowJob): string {
  return `job.${job.id}`
}

/** Undefined for a job that has no result, or one of another version. */
export function ofJob(job: WindowJob): Recorded | undefined {
  const account = job.state === 'done' ? readAccount(job.result) : undefined
  if (account === undefined) return undefined
  return { key: jobKey(job), title: job.title, at: job.ended ?? job.created, account }
}

/** What the catalog has about a network of it, the newest first. */
export async function ofNetwork(id: string, name: string): Promise<Recorded[]> {
  const history = await host.call('zooHistory', { id, limit: 50 })
  return history.flatMap(({ at, ledger }) => {
    const account = readAccount(ledger)
    return account === undefined ? [] : [{ key: `zoo.${id}.${at}`, title: text.recordedOf(name), at, account }]
  })
}

/** What a key of an address stands for. */
export async function findRecord(key: string): Promise<Recorded | undefined> {
  const [kind, id = '', at = ''] = key.split('.')
  if (kind === 'job') {
    const job = jobs.get(id)
    return job && ofJob(job)
  }
  if (kind !== 'zoo') return undefined
  const { name } = await host.call('zooShow', { id })
  return (await ofNetwork(id, name)).find((record) => record.at === Number(at))
}
