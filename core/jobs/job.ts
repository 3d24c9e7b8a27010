/** What a job is: an operation that takes long, with all that is known of it. Plain data. */

export const JOB_STATES = ['queued', 'running', 'paused', 'done', 'failed', 'cancelled'] as const
export type JobState = (typeof JOB_STATES)[number]

/** States in which a job stays unless somebody does something. */
export const ENDED: ReadonlySet<JobState> = new Set(['done', 'failed', 'cancelled'])

export interface JobProgress {
  readonly text: string
  /** Share that is done, 0 to 1, when it is known. */
  readonly fraction?: number
  /** Numbers of this moment, for charts; plain data of the operation's own. */
  readonly detail?: unknown
  /** For those who watch alone: it is kept in memory and never in a database, a file or a log. */
  readonly transient?: unknown
}

export interface JobError {
  readonly code: string
  readonly message: string
  readonly advice: string | null
}

export interface Job {
  readonly id: string
  /** Name in the list of operations. */
  readonly operation: string
  readonly input: unknown
  /** For people: 'Linearise resnet20 to 23,552 ReLUs'. */
  readonly title: string
  readonly state: JobState
  /** ms since 1970. */
  readonly created: number
  readonly started: number | null
  readonly ended: number | null
  /** Spent running, over all its runs, ms. */
  readonly spentMs: number
  readonly progress: JobProgress | null
  readonly result: unknown
  readonly error: JobError | null
}

/** Where jobs outlive the process. Every call is durable when it returns. */
export interface JobStore {
  /** In the order in which they were created. */
  readonly all: () => readonly Job[]
  readonly put: (job: Job) => void
  readonly remove: (id: string) => void
  /** Makes these the only ones. */
  readonly replace: (jobs: readonly Job[]) => void
}

/** A job on its way. */
export interface RunningJob {
  /** Resolves with the result; rejects when it failed or was stopped. */
  readonly done: Promise<unknown>
  /** Asks it to stop soon and to keep what it has; `done` settles then. */
  readonly stop: () => void
  /** Hands it a command of its operation; absent where that cannot be. */
  readonly tell?: (command: unknown) => void
}

export interface JobEvents {
  readonly onProgress: (progress: JobProgress) => void
  readonly onNotice: (line: string) => void
}

/** Runs operations, each away from the process that has the queue. */
export type JobRunner = (job: Job, events: JobEvents) => RunningJob

export interface JobKind {
  /** Jobs of one lane wait for one another. */
  readonly lane: string
  /** Run again with the same input, it goes on from where it was stopped; others begin anew. */
  readonly resumes: boolean
  /** It ends when it is stopped, and well: it is not done because the program ends. */
  readonly endless?: boolean
}
