/** Runs an inference again with the same input. */
import type { WindowJob } from '../../core/api/data/contract.ts'
import { jobs } from '../app/app.svelte.ts'
import type { Input } from '../app/host.svelte.ts'
import { router } from '../app/router.svelte.ts'
import { toasts } from '../app/toasts.svelte.ts'
import { keepPictures, keptPictures } from './pictures.ts'
import { inputOf } from './run.ts'

async function again(job: WindowJob, submit: () => Promise<WindowJob>): Promise<void> {
  try {
    const next = await submit()
    keepPictures(next.id, keptPictures(job.id))
    router.go(`/inference/run/${next.id}`)
  } catch (error) {
    toasts.fail(error)
  }
}

export async function repeat(job: WindowJob): Promise<void> {
  await again(job, () =>
    job.operation === 'connect'
      ? jobs.submit('connect', job.input as Input<'connect'>, job.title)
      : jobs.submit('infer', job.input as Input<'infer'>, job.title),
  )
}

/** Again, keeping what the parties hold of the picture and of a step; of the picture alone for ''. */
export async function repeatWithViews(job: WindowJob, step: string): Promise<void> {
  const input = inputOf(job)
  if (input === undefined) return
  const views = { image: input.views?.image ?? 0, ...(step === '' ? {} : { step }) }
  await again(job, () => jobs.submit('infer', { ...input, views }, job.title))
}
