/**
 * Checkpoints: one file with every variable of the model, the optimiser's state and, as metadata, the place in the
 * run. All that is drawn at random depends on seeds and the place alone, so that a run that is resumed on the same
 * backend ends with the same bits as one that was never stopped.
 */
import { open, readFile, rename } from 'node:fs/promises'
import * as v from 'valibot'
import { AdytonError } from '../../errors/errors.ts'
import type { Tensor, Tensors } from '../../network/graph.ts'
import type { Json } from './hook.ts'
import type { EpochReport } from './report.ts'

/** Reads and writes named tensors with metadata; readSafetensors and writeSafetensors of core/formats fit. */
export interface CheckpointFormat {
  read(
    bytes: Uint8Array,
    file: string,
  ): { readonly tensors: Tensors; readonly metadata: Readonly<Record<string, string>> }
  write(tensors: Tensors, options: { readonly metadata: Readonly<Record<string, string>> }): Uint8Array
}

export interface CheckpointOptions {
  /** Overwritten by each checkpoint; appears whole or not at all. */
  readonly file: string
  readonly format: CheckpointFormat
  /** Epochs between checkpoints; 1 unless given. One is always written when the run is stopped or ends. */
  readonly every?: number
  /** Goes on from the file if it is there; false unless given. */
  readonly resume?: boolean
}

export interface Checkpoint {
  /** What the run must agree on: plain data, by setting. */
  readonly settings: Readonly<Record<string, Json>>
  /** What it ran on, in words. On another backend or with other threads sums differ in their last bits. */
  readonly engine: string
  /** The step that comes next; `step` equals the steps of an epoch when only the end of the epoch is missing. */
  readonly epoch: number
  readonly step: number
  readonly finished: boolean
  /** Names of the parameters that are trained. */
  readonly trainable: readonly string[]
  readonly optimiserSteps: Readonly<Record<string, number>>
  readonly hooks: Readonly<Record<string, Json>>
  readonly reports: readonly EpochReport[]
  readonly tensors: { readonly model: Tensors; readonly optimiser: Tensors; readonly totals: Float32Array }
}

const VERSION = '1'
const natural = v.pipe(v.number(), v.integer(), v.minValue(0))
const record = v.record(v.string(), v.unknown())

/** The reports are only handed on: their fields are not checked one by one. */
const StateSchema = v.object({
  settings: record,
  engine: v.string(),
  epoch: natural,
  step: natural,
  finished: v.boolean(),
  trainable: v.array(v.string()),
  optimiserSteps: v.record(v.string(), natural),
  hooks: record,
  reports: v.array(v.looseObject({ epoch: natural })),
})

/** Writes a file that is there whole or not at all, also after a loss of power. */
async function writeAtomically(file: string, bytes: Uint8Array): Promise<void> {
  const temporary = `${file}.${process.pid}.tmp`
  const handle = await open(temporary, 'w')
  try {
    await handle.writeFile(bytes)
    await handle.sync()
  } finally {
    await handle.close()
  }
  await rename(temporary, file)
}

export async function writeCheckpoint({ file, format }: CheckpointOptions, checkpoint: Checkpoint): Promise<void> {
  const { tensors, ...state } = checkpoint
  const all = new Map<string, Tensor>()
  for (const [name, tensor] of tensors.model) all.set(`model/${name}`, tensor)
  for (const [name, tensor] of tensors.optimiser) all.set(`optimiser/${name}`, tensor)
  all.set('totals', { shape: [tensors.totals.length], data: tensors.totals })
  const metadata = { adytonCheckpoint: VERSION, state: JSON.stringify(state) }
  await writeAtomically(file, format.write(all, { metadata })).catch((cause: unknown) => {
    throw new AdytonError('store-failed', `${file}: the checkpoint cannot be written`, {
      advice: 'Check that the folder is still there and that the disk has room; the run goes on from the last one.',
      cause,
    })
  })
}

/**
 * The checkpoint of a file; undefined when there is none.
 * @throws AdytonError 'file-corrupt' for a file that is no checkpoint or a damaged one
 */
export async function readCheckpoint({ file, format }: CheckpointOptions): Promise<Checkpoint | undefined> {
  let bytes: Uint8Array
  try {
    bytes = await readFile(file)
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined
    throw new AdytonError('file-not-found', `${file} cannot be read`, { cause: error })
  }
  const { tensors, metadata } = format.read(bytes, file)
  const corrupt = (why: string, cause?: unknown): AdytonError =>
    new AdytonError('file-corrupt', `${file}: ${why}`, { advice: 'Begin the run anew, or use another file.', cause })
  if (metadata['adytonCheckpoint'] !== VERSION) throw corrupt('not a checkpoint of this version')
  let json: unknown
  try {
    json = JSON.parse(metadata['state'] ?? '')
  } catch (cause) {
    throw corrupt('the state is not valid JSON', cause)
  }
  const state = v.safeParse(StateSchema, json)
  const totals = tensors.get('totals')?.data
  if (!state.success) throw corrupt(`${v.getDotPath(state.issues[0]) ?? 'the state'} is not valid`)
  if (!(totals instanceof Float32Array)) throw corrupt('the totals are missing')
  const part = (prefix: string): Map<string, Tensor> =>
    new Map(
      [...tensors].flatMap(([name, tensor]) => (name.startsWith(prefix) ? [[name.slice(prefix.length), tensor]] : [])),
    )
  return {
    ...(state.output as unknown as Omit<Checkpoint, 'tensors'>),
    tensors: { model: part('model/'), optimiser: part('optimiser/'), totals },
  }
}

/** Throws AdytonError 'checkpoint-mismatch' naming the first setting that differs. */
export function checkSettings(file: string, stored: Checkpoint['settings'], wanted: Checkpoint['settings']): void {
  for (const key of new Set([...Object.keys(stored), ...Object.keys(wanted)])) {
    const [was, is] = [stored[key], wanted[key]].map((value) => JSON.stringify(value) ?? 'nothing')
    if (was === is) continue
    throw new AdytonError(
      'checkpoint-mismatch',
      `${file}: made with ${key} ${was.slice(0, 300)}, now ${is.slice(0, 300)}`,
      {
        advice: 'Resume with the settings of the run that was stopped, or begin anew with another file.',
      },
    )
  }
}
