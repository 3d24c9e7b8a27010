/** Results as text for people. */
import type { Interval } from '../api/data/interval.ts'
import type { ConnectResult, OwnPhase } from '../api/operations/connect.ts'
import type { DescribeResult } from '../api/operations/describe.ts'
import type { InferResult } from '../api/operations/infer.ts'
import type { ModelRow } from '../api/operations/models.ts'
import type { ServeResult } from '../api/operations/serve.ts'
import type { DirectionBytes, PhaseReport } from '../api/report.ts'
import type { StepReport } from '../ledger/report.ts'
import { bytes, duration, integer, percent, powerOfTwo, table } from './format.ts'

const KINDS = ['he', 'gc', 'ot', 'share'] as const
const TITLES = ['HE', 'GC', 'OT', 'share'] as const

export function renderInfer(result: InferResult): string {
  const lines = [headline(result), '']
  const { phases } = result
  const mean = result.images > 1 ? ` (mean of ${result.images} images)` : ''
  lines.push(`Time${mean}; waiting is what neither party's work explains:`, phaseTable(phases), '')
  lines.push('Bytes of one inference:', byteTable(result.bytes), '')
  lines.push(`Work of both parties by layer${mean}:`, layerTable(result.layers), '')
  lines.push(footer(result))
  return lines.join('\n')
}

function headline(result: InferResult): string {
  const { predictions, model } = result
  if (result.images === 1) {
    const [one] = predictions
    const same = one.label === one.clear ? 'the clear run agrees' : `the clear run says ${one.clear}`
    const truth = one.expected === null ? '' : `, the true label is ${one.expected}`
    return `${model.name}: the private answer is ${one.name} (${same}${truth}).`
  }
  const { accuracy, agreement, intervals } = result
  const share = (what: string, value: number, { low, high }: Interval): string =>
    `${what} ${percent(value)} (95% interval ${percent(low)} to ${percent(high)})`
  const agrees = share('agreement with the clear run', agreement, intervals.agreement)
  if (accuracy === null || intervals.accuracy === null) {
    const answers = predictions.map(({ name }) => name).join(', ')
    return `${model.name}: the private answers are ${answers}; ${agrees}.`
  }
  return `${model.name}: ${result.images} images, ${share('accuracy', accuracy, intervals.accuracy)}, ${agrees}.`
}

function phaseTable(phases: InferResult['phases']): string {
  const row = (name: string, phase: PhaseReport): string[] => [
    name,
    duration(phase.wallMs),
    ...KINDS.map((kind) => duration(phase.kinds[kind])),
    duration(phase.kinds.wait),
    duration(phase.cpuMs.client),
    duration(phase.cpuMs.server),
  ]
  return table(
    ['phase', 'wall', ...TITLES, 'waiting', 'CPU client', 'CPU server'],
    [row('offline', phases.offline), row('online', phases.online)],
  )
}

function byteTable(all: InferResult['bytes']): string {
  const row = (name: string, b: DirectionBytes): string[] => [name, bytes(b.clientToServer), bytes(b.serverToClient)]
  return table(
    ['phase', 'client to server', 'server to client'],
    [row('offline', all.offline), row('online', all.online)],
  )
}

/** A layer's row; `op` is unknown to a client that reads only its own account. */
type LayerRow = StepReport & { readonly op?: string }

function layerTable(layers: readonly LayerRow[]): string {
  const both = (layer: LayerRow, kind: (typeof KINDS)[number]): string => {
    const total = layer.offline[kind] + layer.online[kind]
    return total === 0 ? '-' : duration(total)
  }
  const traffic = (b: DirectionBytes): string => bytes(b.clientToServer + b.serverToClient)
  return table(
    ['layer', 'kind', ...TITLES, 'offline bytes', 'online bytes'],
    layers.map((layer) => [
      layer.id,
      layer.op ?? '',
      ...KINDS.map((kind) => both(layer, kind)),
      traffic(layer.bytes.offline),
      traffic(layer.bytes.online),
    ]),
  )
}

function footer(result: InferResult): string {
  const parts = [
    `${integer(result.relus)} ReLUs; kernels: ${result.kernels}; HE threads: client ${result.threads.client}, server ${result.threads.server}.`,
    `Peak memory: client ${bytes(result.memory.client)}, server ${bytes(result.memory.server)}.`,
    `Greeting, keys and base OT: ${duration(result.phases.setup.wallMs)}, once a connection.`,
    `Chance that any element of one inference is wrong: at most ${powerOfTwo(result.failure.total)}.`,
  ]
  if (result.perRelu !== null) {
    const { tableBytes, transferBytes, onlineBytes } = result.perRelu
    parts.push(
      `By ReLU: tables ${integer(tableBytes)} B, transfers ${integer(transferBytes)} B, online ${integer(onlineBytes)} B.`,
    )
  }
  if (result.deviation !== null) {
    const { fixed, float } = result.deviation
    parts.push(
      `Largest difference of a logit: ${percent(fixed)} of the largest one from the clear fixed-point run ` +
        `(${result.maxLsbError} units of the last bit), ${percent(float)} from the float run.`,
    )
  }
  if (result.verified !== null) {
    parts.push(
      result.verified
        ? 'Verified: the simulator gives the private result bit for bit.'
        : 'NOT VERIFIED: the simulator gives another result.',
    )
  }
  return parts.join('\n')
}

export function renderModels(rows: readonly ModelRow[]): string {
  if (rows.length === 0) return 'No models are bundled.'
  return table(
    ['id', 'name', 'dataset', 'accuracy', 'ReLUs', 'MACs', 'parameters'],
    rows.map((row) => [
      row.id,
      row.name,
      row.dataset ?? '-',
      row.accuracy === null ? '-' : percent(row.accuracy),
      integer(row.relus),
      integer(row.macs),
      integer(row.params),
    ]),
  )
}

const LINK_NAMES = {
  lan: 'LAN (1 Gbit/s, 0.5 ms there and back)',
  wan: 'WAN (100 Mbit/s, 40 ms there and back)',
  own: 'as given',
} as const

export function renderDescribe(result: DescribeResult): string {
  const lines = [
    `${result.name}: ${integer(result.relus)} ReLUs, ${integer(result.macs)} MACs, ${integer(result.params)} parameters.`,
    '',
    table(
      ['stage', 'ReLUs', 'MACs', 'parameters'],
      result.stages.map((s) => [s.id, integer(s.relus), integer(s.macs), integer(s.params)]),
    ),
  ]
  const { costs } = result
  if (costs === undefined) return lines.join('\n')
  const { estimate } = costs
  lines.push(
    '',
    'One private inference on this machine, both parties (bytes and disk are exact, the rest is estimated):',
    table(
      ['phase', 'client to server', 'server to client', 'time'],
      (['offline', 'online'] as const).map((phase) => [
        phase,
        bytes(costs.bytes[phase].clientToServer),
        bytes(costs.bytes[phase].serverToClient),
        duration(estimate[phase].wallMs),
      ]),
    ),
    '',
    'With a network between the two machines:',
    table(
      ['network', 'offline', 'online'],
      Object.entries(costs.links).map(([name, { offline, online }]) => [
        LINK_NAMES[name as keyof typeof LINK_NAMES],
        duration(1000 * offline),
        duration(1000 * online),
      ]),
    ),
    '',
    costsUsed(costs.calibrated),
    `Peak memory: client ${bytes(estimate.memory.client)}, server ${bytes(estimate.memory.server)}.`,
    `Disk for one package: client ${bytes(estimate.disk.client)}, server ${bytes(estimate.disk.server)}.`,
    `Rings: k = ${costs.rings.bits.join(', ')}; circuits: l = ${costs.rings.circuitBits.join(', ') || 'none'}.`,
    `Chance that any element of one inference is wrong: at most ${powerOfTwo(costs.failure.total)} ` +
      `(truncation ${powerOfTwo(costs.failure.truncation)}, HE rounding ${powerOfTwo(costs.failure.rounding)}).`,
  )
  if (costs.perRelu !== null) {
    lines.push(
      `By ReLU: ${costs.perRelu.andGates.toFixed(1)} AND gates, tables ${integer(costs.perRelu.tableBytes)} B, ` +
        `transfers ${integer(costs.perRelu.transferBytes)} B, online ${integer(costs.perRelu.onlineBytes)} B.`,
    )
  }
  return lines.join('\n')
}

function costsUsed(calibrated: NonNullable<DescribeResult['costs']>['calibrated']): string {
  return calibrated === null
    ? "Times are those of the machine that the program was made on; 'adyton calibrate' measures this one."
    : `Times by the calibration of ${calibrated.date.slice(0, 10)} (${calibrated.machine}).`
}

export function renderConnect(result: ConnectResult): string {
  const row = (name: string, phase: OwnPhase): string[] => [
    name,
    duration(phase.wallMs),
    ...KINDS.map((kind) => duration(phase.kinds[kind])),
    duration(phase.kinds.wait),
  ]
  const answers = result.predictions.map(({ picture, index, name, expected }) => {
    const truth = expected === null ? '' : ` (the true label is ${expected})`
    return `${picture ?? `image ${index}`}: ${name}${truth}`
  })
  return [
    `${result.model.name}`,
    ...answers,
    ...(result.accuracy === null ? [] : [`${result.images} images, accuracy ${percent(result.accuracy)}`]),
    '',
    "Time on this machine; waiting includes the server's work:",
    table(
      ['phase', 'wall', ...TITLES, 'waiting'],
      [row('offline', result.phases.offline), row('online', result.phases.online)],
    ),
    '',
    'Bytes of one inference:',
    byteTable(result.bytes),
    '',
    'Work of this machine by layer, first picture:',
    layerTable(result.layers),
    '',
    linkLine(result.link),
  ].join('\n')
}

function linkLine({ rttMs, up, down }: ConnectResult['link']): string {
  const rate = (bits: number | null): string => (bits === null ? 'unknown' : `${(bits / 1e6).toPrecision(3)} Mbit/s`)
  return `Link: ${duration(rttMs)} there and back, up ${rate(up)}, down ${rate(down)}.`
}

export function renderServe(result: ServeResult): string {
  return `Served ${result.inferences} inferences and prepared ${result.prepared} packages at ${result.address}:${result.port}.`
}
