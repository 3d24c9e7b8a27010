/**
 * What a window, in Electron or in a browser, and the host say to each other. Messages are plain JSON and are checked on
 * both sides; every request has a number of the window's own, and every answer carries it.
 */
import * as v from 'valibot'

const id = v.pipe(v.number(), v.safeInteger(), v.minValue(1))
const jobId = v.pipe(v.string(), v.regex(/^[0-9a-f]{16}$/))
const name = v.pipe(v.string(), v.maxLength(64))

/** No request is longer, in characters of JSON. */
export const MAX_REQUEST = 8 * 2 ** 20

export const RequestSchema = v.variant('type', [
  /** Runs an operation that is no job. */
  v.strictObject({ type: v.literal('call'), id, operation: name, input: v.unknown() }),
  /** Asks the call with this number to end soon. */
  v.strictObject({ type: v.literal('stop'), id }),
  v.strictObject({ type: v.literal('jobs.list'), id }),
  v.strictObject({
    type: v.literal('jobs.submit'),
    id,
    operation: name,
    input: v.unknown(),
    title: v.pipe(v.string(), v.minLength(1), v.maxLength(200)),
  }),
  v.strictObject({
    type: v.picklist(['jobs.pause', 'jobs.resume', 'jobs.cancel', 'jobs.remove']),
    id,
    job: jobId,
  }),
  /** Hands a running job a command of its operation, such as those of data/hosting.ts. */
  v.strictObject({ type: v.literal('jobs.tell'), id, job: jobId, command: v.unknown() }),
])
export type Request = v.InferOutput<typeof RequestSchema>

const ErrorSchema = v.strictObject({ code: v.string(), message: v.string(), advice: v.nullable(v.string()) })
export type ContractError = v.InferOutput<typeof ErrorSchema>

const ProgressSchema = v.object({
  text: v.string(),
  fraction: v.optional(v.number()),
  detail: v.optional(v.unknown()),
  transient: v.optional(v.unknown()),
})

export const JobSchema = v.object({
  id: jobId,
  operation: v.string(),
  input: v.unknown(),
  title: v.string(),
  state: v.picklist(['queued', 'running', 'paused', 'done', 'failed', 'cancelled']),
  created: v.number(),
  started: v.nullable(v.number()),
  ended: v.nullable(v.number()),
  spentMs: v.number(),
  progress: v.nullable(ProgressSchema),
  result: v.unknown(),
  error: v.nullable(ErrorSchema),
})
export type WindowJob = v.InferOutput<typeof JobSchema>

export const ReplySchema = v.variant('type', [
  v.strictObject({ type: v.literal('progress'), id, progress: ProgressSchema }),
  v.strictObject({ type: v.literal('notice'), id, line: v.string() }),
  v.strictObject({ type: v.literal('done'), id, result: v.unknown() }),
  v.strictObject({ type: v.literal('failed'), id, error: ErrorSchema }),
  /** Unasked: something about the jobs has changed. */
  v.strictObject({ type: v.literal('job'), job: JobSchema }),
  v.strictObject({ type: v.literal('job.progress'), job: jobId, progress: ProgressSchema }),
  v.strictObject({ type: v.literal('job.notice'), job: jobId, line: v.string() }),
  v.strictObject({ type: v.literal('job.removed'), job: jobId }),
  /** Unasked: a backup has taken the place of the catalog. */
  v.strictObject({ type: v.literal('zoo.replaced') }),
])
export type Reply = v.InferOutput<typeof ReplySchema>
