/** calibrate: measures what the operations of a private inference cost on this machine, for estimates. */
import { availableParallelism, loadavg } from 'node:os'
import * as v from 'valibot'
import { AdytonError } from '../../errors/errors.ts'
import { saveCalibration, thisMachine, type Calibration } from '../calibration/file.ts'
import { measureCosts, type Part } from '../calibration/measure.ts'
import { dataFolder } from '../data-folder.ts'
import type { Operation, OperationContext } from '../operation.ts'
import { dataEntry } from './zoo-input.ts'

const input = v.strictObject({
  /** Spent on each figure, ms; a few runs of each are made in any case. */
  spendMs: v.optional(v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(10_000)), 150),
  ...dataEntry,
})

/** Share of the cores that other work may take unnoticed. */
const BUSY = 0.75

export const calibrate: Operation<typeof input, Calibration> = {
  name: 'calibrate',
  summary: 'Measures what private inference costs on this machine, in half a minute; estimates use it from then on.',
  input,
  run: (given, context) => runCalibration(given, context),
}

/** `parts` as in measureCosts. */
export async function runCalibration(
  { spendMs, data }: v.InferOutput<typeof input>,
  { onProgress, onNotice, signal }: OperationContext,
  parts?: readonly Part[],
): Promise<Calibration> {
  // Of the last minute; always 0 on Windows.
  if (loadavg()[0] > BUSY * availableParallelism()) {
    onNotice('this machine is busy: what is measured now is too slow. Calibrate again when it does nothing else.')
  }
  try {
    const costs = await measureCosts(
      { spendMs, signal },
      (text, fraction) => onProgress({ text: `measuring ${text}`, fraction }),
      parts,
    )
    return await saveCalibration(dataFolder(data), { ...thisMachine(), date: new Date().toISOString(), costs })
  } catch (error) {
    if (signal.aborted) throw new AdytonError('cancelled', 'the calibration was stopped')
    throw error
  }
}
