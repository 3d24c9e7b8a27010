/**
 * Whole private inferences between two processes of this machine, as `adyton infer` runs them:
 *   node test/bench/e2e.ts [--quick] [--runs 3] [--networks digits,resnet18-25k] [--json]
 *
 * Each run starts two processes. Keys and base OT are made before the clock starts. Offline is the first package: the
 * processes warm up in it; weights to NTT form, encryptions of zero, OT, garbling, TLS, and both packages on the disk.
 * Online is the first image with it, from the durable record that the package is used up to the answer; tables come
 * from the file cache, as they were just written. Rows that end in `.later` are the next package and image, those in
 * `.cold` the one after it, whose package the system has to read from the disk.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { estimate, type Estimate } from '../../core/api/estimate.ts'
import { loadCalibration } from '../../core/api/calibration/file.ts'
import { dataFolder } from '../../core/api/data-folder.ts'
import { LocalRun, type LocalInference } from '../../core/api/local-run.ts'
import { planSummary, type PlanSummary } from '../../core/api/plan-summary.ts'
import { byteReport, phaseReport } from '../../core/api/report.ts'
import { loadNetwork, lowerNetwork, noiseImages, publicCard, type Source } from '../../core/api/source.ts'
import { quantiseInput } from '../../core/network/fixed.ts'
import { published } from '../../core/zoo/published.ts'
import { evict } from './cold.ts'
import { median, row, rowTable, type Against, type Row } from './row.ts'

const PHASES = ['offline', 'online'] as const
type Phase = (typeof PHASES)[number]
const eachPhase = (of: (phase: Phase) => number): Record<Phase, number> => ({
  offline: of('offline'),
  online: of('online'),
})

interface Network {
  readonly source: Source
  readonly label: string
  /** Left out of quick runs. */
  readonly long?: boolean
  readonly paper?: Partial<Record<Phase, Against>>
}

const RESNET18_RELUS = 557_056
const HRN_2X5X3X_RELUS = 93_184
const random = (arch: string, reluKeep = 1): Source => ({ arch, classes: 100, reluKeep, seed: 'bench' })

export const NETWORKS: Readonly<Record<string, Network>> = {
  digits: { source: { model: 'digits' }, label: 'digits' },
  'hrn-2x5x3x-m8': {
    source: random('hrn-2x5x3x-m8', 26_112 / HRN_2X5X3X_RELUS),
    label: 'HRN-2x5x3x m8, CIFAR-100, 26.1K ReLUs',
    paper: { offline: deepReShape('HRN-2x5x3x m8', 26_000), online: circuitsAlone('HRN-2x5x3x m8', 26_000) },
  },
  'resnet18-25k': {
    source: random('resnet18', 25_000 / RESNET18_RELUS),
    label: 'ResNet-18, CIFAR-100, 25K ReLUs',
    paper: { offline: deepReShape('ResNet18', 25_000), online: snlOnline() },
  },
  'resnet18-557k': { source: random('resnet18'), label: 'ResNet-18, CIFAR-100, all ReLUs', long: true },
}

/** Table 7: HE and garbled circuits, 4 threads, of a network on CIFAR-100. */
function tableSeven(network: string, relus: number): { he: number; gc: number } {
  const found = published().points.find(
    ({ source, dataset, network: name, relus: count }) =>
      source.paper === 'deepreshape' &&
      source.table === '7' &&
      dataset === 'CIFAR-100' &&
      name === network &&
      count === relus,
  )?.seconds
  if (found?.he === undefined || found.gc === undefined) throw new Error(`no published times of ${network}`)
  return { he: found.he, gc: found.gc }
}

function deepReShape(network: string, relus: number): Against {
  const { he, gc } = tableSeven(network, relus)
  return { label: 'DeepReShape table 7, HE and GC', value: he + gc }
}

function circuitsAlone(network: string, relus: number): Against {
  return { label: 'DeepReShape table 7, GC alone', value: tableSeven(network, relus).gc }
}

/** ResNet-18 with 24.9K ReLUs. */
function snlOnline(): Against {
  const found = published().points.find(
    ({ source, network, relus }) =>
      source.paper === 'snl' && source.table === '2' && network === 'ResNet18' && relus === 24_900,
  )?.seconds?.online
  if (found === undefined) throw new Error('no published online time of ResNet-18')
  return { label: 'SNL table 2', value: found }
}

/** What one pair of processes did. */
export interface Measured {
  /** Seconds, of the first inference and the next. */
  readonly first: Readonly<Record<Phase, number>>
  readonly later: Readonly<Record<Phase, number>>
  /** Seconds online with a package that is not in the file cache; null where it cannot be taken out. */
  readonly cold: number | null
  /** Seconds of processor time of both parties, first inference: what others do on the machine hardly changes it. */
  readonly cpu: Readonly<Record<Phase, number>>
  /** Peak resident set of each process after the first inference and after all, bytes. */
  readonly memory: { readonly client: number; readonly server: number }
  /** Of one inference. */
  readonly bytes: PlanSummary['bytes']
}

/** Rows of a network; `expected` is what was said before it ran. */
export function networkRows(
  name: string,
  runs: readonly Measured[],
  expected: { readonly estimate: Estimate; readonly bytes: PlanSummary['bytes'] },
  { label, paper }: Pick<Network, 'label' | 'paper'>,
): Row[] {
  const rows: Row[] = []
  const mega = (bytes: number): number => bytes / 1e6
  const both = ({ clientToServer, serverToClient }: { clientToServer: number; serverToClient: number }): number =>
    mega(clientToServer + serverToClient)
  for (const phase of PHASES) {
    const of = `${label}, ${phase}`
    const estimated = expected.estimate[phase].wallMs / 1000
    const times = runs.map(({ first }) => first[phase])
    rows.push(row(`e2e.${name}.${phase}`, of, 's', times, paper?.[phase] ?? null))
    rows.push(
      row(
        `e2e.${name}.${phase}.later`,
        `${of}, next image`,
        's',
        runs.map(({ later }) => later[phase]),
        null,
      ),
    )
    const cold = runs.flatMap((one) => one.cold ?? [])
    if (phase === 'online' && cold.length > 0) {
      rows.push(row(`e2e.${name}.online.cold`, `${of}, package from the disk`, 's', cold, null))
    }
    const measured = median(times)
    const cpu = runs.map((one) => one.cpu[phase])
    rows.push(row(`cpu.${name}.${phase}`, `${of}, processor time of both`, 's', cpu, null))
    rows.push({
      ...row(`estimate.${name}.${phase}`, `${of}, estimated`, 's', [estimated], { label: 'measured', value: measured }),
      ratio: estimated / measured,
    })
    const exact = { label: 'stated before', value: both(expected.bytes[phase]) }
    rows.push(
      row(
        `bytes.${name}.${phase}`,
        `${of}, both directions`,
        'MB',
        runs.map(({ bytes }) => both(bytes[phase])),
        exact,
      ),
    )
  }
  for (const party of ['client', 'server'] as const) {
    const stated = { label: 'estimate', value: mega(expected.estimate.memory[party]) }
    const peaks = runs.map(({ memory }) => mega(memory[party]))
    rows.push(row(`memory.${name}.${party}`, `${label}, peak memory of the ${party}`, 'MB', peaks, stated))
  }
  return rows
}

async function measure(name: string, network: Network, count: number): Promise<Row[]> {
  const loaded = await loadNetwork(network.source)
  const model = lowerNetwork(loaded)
  const { plan } = model
  const threads = { client: 1, server: availableParallelism() }
  const calibration = await loadCalibration(dataFolder(), (line) => console.error(line))
  const expected = { estimate: estimate(plan, calibration?.costs, threads), bytes: planSummary(plan).bytes }
  const [image] = noiseImages(loaded, 1).map((floats) => quantiseInput(plan, floats))
  const runs: Measured[] = []
  for (let i = 0; i < count; i++) runs.push(await once({ model, card: publicCard(loaded), threads }, image))
  return networkRows(name, runs, expected, network)
}

async function once(
  options: Pick<Parameters<typeof LocalRun.start>[0], 'model' | 'card' | 'threads'>,
  image: Float64Array,
): Promise<Measured> {
  const data = mkdtempSync(join(tmpdir(), 'adyton-bench-'))
  try {
    const run = await LocalRun.start({
      ...options,
      ...{ data, kernels: null, revealSeeds: false, onProgress: () => undefined },
    })
    const inferences: LocalInference[] = []
    let evicted: boolean
    try {
      inferences.push(await run.infer(image))
      inferences.push(await run.infer(image))
      const prepared = await run.prepare()
      evicted = evict(data)
      inferences.push(await run.inferWith(prepared, image))
    } catch (error) {
      await run.close()
      throw error
    }
    const memory = await run.close()
    const [first, later, last] = inferences.map((one) => eachPhase((phase) => phaseReport([one], phase).wallMs / 1000))
    const cpu = eachPhase((phase) => {
      const { client, server } = phaseReport(inferences.slice(0, 1), phase).cpuMs
      return (client + server) / 1000
    })
    const cold = evicted ? last.online : null
    return { first, later, cold, cpu, memory, bytes: byteReport(inferences.slice(0, 1)) }
  } finally {
    rmSync(data, { recursive: true, force: true })
  }
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: {
      quick: { type: 'boolean', default: false },
      runs: { type: 'string' },
      networks: { type: 'string' },
      json: { type: 'boolean', default: false },
    },
  })
  const names =
    values.networks?.split(',') ?? Object.keys(NETWORKS).filter((name) => !values.quick || NETWORKS[name].long !== true)
  const rows: Row[] = []
  for (const name of names) {
    if (!Object.hasOwn(NETWORKS, name))
      throw new RangeError(`no network ${name}; there are ${Object.keys(NETWORKS).join()}`)
    rows.push(...(await measure(name, NETWORKS[name], Number(values.runs ?? (values.quick ? 1 : 3)))))
  }
  console.log(values.json ? JSON.stringify(rows, undefined, 2) : rowTable(rows))
}
