/** Jobs in the catalog's database, so that they outlive the program. */
import type { Zoo } from '../zoo/zoo.ts'
import type { Job, JobStore } from './job.ts'

interface Row {
  readonly id: string
  readonly json: string
}

export function jobStore(zoo: Zoo): JobStore {
  const { db } = zoo
  const put = (job: Job): void => {
    db.prepare('INSERT INTO jobs (id, json) VALUES (?, ?) ON CONFLICT (id) DO UPDATE SET json = excluded.json').run(
      job.id,
      JSON.stringify(job),
    )
  }
  return {
    all: () => {
      const rows = db.prepare('SELECT id, json FROM jobs ORDER BY key').all() as Row[]
      return rows.map(({ json }) => JSON.parse(json) as Job)
    },
    put: (job) => zoo.write(() => put(job)),
    remove: (id) =>
      zoo.write(() => {
        db.prepare('DELETE FROM jobs WHERE id = ?').run(id)
      }),
    replace: (jobs) =>
      zoo.write(() => {
        db.exec('DELETE FROM jobs')
        jobs.forEach(put)
      }),
  }
}
