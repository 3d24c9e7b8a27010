/** What `adyton calibrate` measured on this machine: calibration.json in the data folder. */
import { mkdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import * as v from 'valibot'
import { AdytonError } from '../../errors/errors.ts'
import { loadKernels } from '../../kernels/index.ts'
import { writeText } from '../curation/setting.ts'
import { machineName } from '../recording.ts'
import { CostsSchema } from './costs.ts'

/** Raised with the meaning of a cost. */
const VERSION = 2

const CalibrationSchema = v.strictObject({
  version: v.literal(VERSION),
  /** As machineName() gives it. */
  machine: v.string(),
  /** Kernels that it was measured with. */
  kernels: v.string(),
  /** ISO 8601. */
  date: v.pipe(v.string(), v.isoTimestamp()),
  costs: CostsSchema,
})
export type Calibration = Readonly<v.InferOutput<typeof CalibrationSchema>>

const fileIn = (data: string): string => join(data, 'calibration.json')

/** What a calibration is good for. */
export const thisMachine = () => ({ machine: machineName(), kernels: loadKernels().name })

/** What is there; undefined, with a notice, for what is damaged, of another version, of another machine or other kernels. */
export async function loadCalibration(
  data: string,
  onNotice: (line: string) => void,
  here: Pick<Calibration, 'machine' | 'kernels'> = thisMachine(),
): Promise<Calibration | undefined> {
  const path = fileIn(data)
  const ignored = (why: string): undefined => {
    onNotice(`${path}: ${why}; estimates use the costs of another machine. Run 'adyton calibrate' to measure this one.`)
  }
  let text: string
  try {
    text = await readFile(path, 'utf8')
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    return code === 'ENOENT' ? undefined : ignored(`cannot be read (${code ?? 'unknown error'})`)
  }
  const parsed = v.safeParse(v.pipe(v.string(), v.parseJson(), v.looseObject({ version: v.unknown() })), text)
  if (!parsed.success) return ignored('is damaged')
  if (parsed.output.version !== VERSION) return ignored('is of another version')
  const checked = v.safeParse(CalibrationSchema, parsed.output)
  if (checked.success) {
    const { machine, kernels } = checked.output
    if (machine !== here.machine) return ignored(`is of another machine (${machine})`)
    if (kernels !== here.kernels) return ignored(`is of other kernels (${kernels})`)
    return checked.output
  }
  return ignored(`is damaged at ${v.getDotPath(checked.issues[0]) ?? 'its top'}`)
}

/** Written whole or not at all. Throws 'store-failed'. */
export async function saveCalibration(data: string, measured: Omit<Calibration, 'version'>): Promise<Calibration> {
  const calibration: Calibration = { version: VERSION, ...measured }
  try {
    await mkdir(data, { recursive: true })
    await writeText(fileIn(data), `${JSON.stringify(calibration, undefined, 2)}\n`)
  } catch (cause) {
    throw new AdytonError('store-failed', `${fileIn(data)}: the calibration cannot be written`, {
      advice: 'Check that the data folder can be written and that the disk has room.',
      cause,
    })
  }
  return calibration
}
