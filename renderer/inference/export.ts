/** An account as files that other programs read. */
import { WORK_KINDS } from '../../core/api/data/progress.ts'
import type { StackedData } from '../charts/stacked.ts'
import { PHASES, timeData, type Account } from './account.ts'

/** One line for each layer and one for the total: milliseconds by kind and bytes by direction, of one inference. */
export function accountRows(account: Account): (string | number)[][] {
  const header: (string | number)[] = ['layer', 'operation']
  for (const phase of PHASES) {
    header.push(...WORK_KINDS.map((kind) => `${phase} ${kind} ms`), `${phase} bytes up`, `${phase} bytes down`)
  }
  const data: StackedData = timeData(account)
  const layers = new Map(account.layers.map((layer) => [layer.id, layer]))
  const line = (id: string, op: string, cells: StackedData['rows'][number]['cells'], bytes: Account['bytes']) => [
    ...[id, op],
    ...PHASES.flatMap((phase, i) => [
      ...WORK_KINDS.map((kind) => cells[i][kind]),
      bytes[phase].clientToServer,
      bytes[phase].serverToClient,
    ]),
  ]
  const rows = data.rows.map(({ id, label, cells }) => {
    const layer = layers.get(id)
    return line(id === '' ? label : id, layer?.op ?? '', cells, layer?.bytes ?? rest(account))
  })
  const total = line('total', '', data.total?.cells ?? [], account.bytes)
  return [header, ...rows, total]
}

/** Bytes that belong to no layer. */
function rest({ bytes, layers }: Account): Account['bytes'] {
  const left = (phase: 'offline' | 'online') => {
    const of = (way: 'clientToServer' | 'serverToClient'): number =>
      layers.reduce((all, layer) => all - layer.bytes[phase][way], bytes[phase][way])
    return { clientToServer: of('clientToServer'), serverToClient: of('serverToClient') }
  }
  return { offline: left('offline'), online: left('online') }
}

/** Everything that the host told of the run; never images, shares or labels of wires. */
export function accountJson(title: string, result: unknown): string {
  return `${JSON.stringify({ format: 'adyton-inference', version: 1, title, result }, null, 2)}\n`
}

/** A title as the name of a file, without its extension. */
export function fileName(title: string): string {
  const name = title.toLowerCase().replaceAll(/[^\p{L}\p{N}]+/gu, '-')
  return name.replaceAll(/^-|-$/g, '').slice(0, 60) || 'inference'
}
