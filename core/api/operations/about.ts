/** about: this program, this machine, and the packages that the program is made of; licence-text: one licence. */
import { readFile } from 'node:fs/promises'
import { arch, availableParallelism, cpus, freemem, platform, release, totalmem } from 'node:os'
import * as v from 'valibot'
import { AdytonError } from '../../errors/errors.ts'
import { availableNative, loadKernels, nativeProblem } from '../../kernels/index.ts'
import { setsOf } from '../../kernels/addon.ts'
import { loadCalibration } from '../calibration/file.ts'
import { dataFolder } from '../data-folder.ts'
import { licences, type Licence } from '../licences.ts'
import type { Operation } from '../operation.ts'
import { VERSION } from '../software.ts'
import { dataEntry } from './zoo-input.ts'

export interface AboutResult {
  readonly version: string
  readonly node: string
  readonly platform: { readonly name: string; readonly release: string; readonly arch: string }
  readonly cpu: { readonly model: string; readonly cores: number }
  /** Bytes. */
  readonly memory: { readonly total: number; readonly free: number }
  readonly kernels: {
    readonly inUse: string
    /** Those that can run here, slowest first. */
    readonly available: readonly string[]
    /** Why no faster ones are in use; null when these are the fastest there are. */
    readonly whyNotFaster: string | null
  }
  /** By whose costs times are estimated; null for those of another machine, which come with the program. */
  readonly calibrated: { readonly date: string } | null
  readonly data: string
  readonly licences: readonly Licence[]
}

const input = v.strictObject({ ...dataEntry })

export const about: Operation<typeof input, AboutResult> = {
  name: 'about',
  summary: 'Describes this program, this machine and the licences of all its packages.',
  input,
  async run({ data }, { onNotice }) {
    const calibration = await loadCalibration(dataFolder(data), onNotice)
    return {
      version: VERSION,
      node: process.versions.node,
      platform: { name: platform(), release: release(), arch: arch() },
      cpu: { model: cpus()[0]?.model.trim() ?? arch(), cores: availableParallelism() },
      memory: { total: totalmem(), free: freemem() },
      kernels: {
        inUse: loadKernels().name,
        available: ['reference', ...availableNative().map((set) => `native:${set}`)],
        whyNotFaster: whyNotFaster(),
      },
      calibrated: calibration === undefined ? null : { date: calibration.date },
      data: dataFolder(data),
      licences: await licences(),
    }
  },
}

function whyNotFaster(): string | null {
  const problem = nativeProblem()
  if (problem !== undefined) return `the native kernels are ${problem}`
  const forced = process.env['ADYTON_KERNELS']
  if (forced) return `ADYTON_KERNELS asks for ${forced}`
  const missing = setsOf(arch()).filter((set) => !availableNative().includes(set))
  return missing.length === 0 ? null : `this processor cannot run ${missing.join(' or ')}`
}

const textInput = v.strictObject({ name: v.string(), version: v.string() })

export const licenceText: Operation<typeof textInput, { readonly text: string }> = {
  name: 'licence-text',
  summary: "Gives the text of a package's licence.",
  input: textInput,
  async run({ name, version }) {
    const found = (await licences()).find((one) => one.name === name && one.version === version)
    if (found === undefined) throw new AdytonError('usage', `there is no package ${name} ${version} in this program`)
    const texts = await Promise.all(found.files.map((file) => readFile(file, 'utf8')))
    return { text: texts.join('\n\n') }
  },
}
