/** What the catalog's commands print for people. */
import type { Leftover } from '../api/leftovers.ts'
import type { Comparison } from '../zoo/compare.ts'
import type { Inference } from '../zoo/inferences.ts'
import type { Lineage } from '../zoo/lineage.ts'
import type { ModelList } from '../zoo/list.ts'
import type { ModelDetails } from '../zoo/show.ts'
import type { Verification } from '../zoo/verify.ts'
import { bytes, duration, integer, percent, table } from './format.ts'

const count = (n: number | null): string => (n === null ? '–' : integer(n))
const share = (x: number | null): string => (x === null ? '–' : percent(x))
const day = (ms: number): string => new Date(ms).toISOString().slice(0, 10)

export function renderList({ models, total, next }: ModelList): string {
  if (total === 0) return "No models. Bring one in with 'adyton zoo import FOLDER', or change the query."
  const rows = models.map((model) => [
    model.id,
    model.name,
    model.stage,
    count(model.relus),
    share(model.accuracy),
    model.tags.join(' '),
  ])
  const more = next === null ? '' : `\nNext page: --after ${next}`
  return `${table(['id', 'name', 'stage', 'ReLUs', 'accuracy', 'tags'], rows)}\n${integer(total)} models.${more}`
}

/** Where a model of another program comes from, and how far it is from the original. */
function importedAs(imported: ModelDetails['card']['imported']): string | undefined {
  if (imported === undefined) return undefined
  const { format, producer, comparison } = imported
  const from = producer === undefined ? format : `${format}, by ${producer}`
  if (comparison === undefined) return `${from}; not compared with another implementation`
  const { against, images, largestDifference, largestLogit } = comparison
  const far = `logits differ by at most ${largestDifference.toPrecision(2)}, the largest is ${largestLogit.toPrecision(3)}`
  return `${from}; compared with ${against} on ${images} images: ${far}`
}

export function renderDetails(model: ModelDetails): string {
  const facts: (readonly [string, string | null | undefined])[] = [
    ['version', `${model.version} (${model.stage}), ${day(model.created)}`],
    ['description', model.card.description],
    ['data set', model.dataset],
    ['licence', model.licence],
    ['tags', model.tags.join(' ')],
    ['intended use', model.intendedUse],
    ['base model', model.baseModel],
    ['limits', model.limits],
    ['training', model.card.training?.summary],
    ['imported', importedAs(model.card.imported)],
    ['in the trash since', model.trashedAt === null ? null : day(model.trashedAt)],
  ]
  const numbers = model.measurements.map(({ what, value, unit, dataset, images, machine }) => [
    what,
    measured(what, value, unit),
    [dataset, images === null ? null : `${integer(images)} images`, machine].filter(Boolean).join(', '),
  ])
  return [
    `${model.name} (${model.id})`,
    ...facts.flatMap(([name, value]) => (value ? [`  ${name}: ${value}`] : [])),
    '',
    table(['measured', 'value', 'on'], numbers),
    '',
    table(
      ['file', 'size', 'SHA-256'],
      model.files.map(({ role, size, sha256 }) => [role, bytes(size), sha256]),
    ),
    '',
    ...model.lineage.map(
      ({ child, parent, relation, source }) =>
        `${child} ${relation} ${parent === null ? source : `${parent} (${source})`}`,
    ),
  ].join('\n')
}

const FRACTIONS = new Set(['accuracy', 'private accuracy', 'private agreement'])

function measured(what: string, value: number, unit: string): string {
  if (unit === 's') return duration(1000 * value)
  if (unit === 'B') return bytes(value)
  if (FRACTIONS.has(what)) return percent(value)
  return `${Number.isInteger(value) ? integer(value) : value.toPrecision(3)} ${unit}`.trim()
}

export function renderComparison({ ids, fields, layers }: Comparison): string {
  const mark = (differs: boolean): string => (differs ? '≠' : '')
  return [
    table(
      ['', ...ids, ''],
      fields.map(({ field, values, differs }) => [field, ...values.map((value) => short(value)), mark(differs)]),
    ),
    '',
    table(
      ['ReLUs by layer', ...ids, ''],
      layers.map(({ layer, models, differs }) => [
        layer,
        ...models.map((model) => (model === null ? '–' : integer(model.relus))),
        mark(differs),
      ]),
    ),
  ].join('\n')
}

function short(value: string | number | null): string {
  if (value === null) return '–'
  if (typeof value === 'number') return Number.isInteger(value) ? integer(value) : String(value)
  return value.length <= 40 ? value : `${value.slice(0, 39)}…`
}

export function renderLineage({ models, edges }: Lineage): string {
  const names = new Map(models.map(({ id, name }) => [id, name]))
  return edges
    .map(({ child, childVersion, parent, relation, source, recipe }) => {
      const from = parent === null ? source : `${source} (${parent})`
      return `${names.get(child) ?? child} (${child}, version ${childVersion}) ${relation} ${from}${recipe === null ? '' : `, recipe '${recipe}'`}`
    })
    .join('\n')
}

/** What an inference leaves in the catalog, as far as it is shown; see the operation infer. */
interface Account {
  readonly images?: number
  readonly accuracy?: number | null
  readonly phases?: { readonly offline: { readonly wallMs: number }; readonly online: { readonly wallMs: number } }
}

export function renderHistory(inferences: readonly Inference[]): string {
  if (inferences.length === 0) return "None yet: 'adyton infer --model zoo:ID' leaves one."
  const rows = inferences.map(({ at, ledger }) => {
    const { images, accuracy, phases } = ledger as Account
    const time = (phase: 'offline' | 'online'): string => (phases === undefined ? '–' : duration(phases[phase].wallMs))
    return [
      new Date(at).toISOString().slice(0, 19).replace('T', ' '),
      count(images ?? null),
      share(accuracy ?? null),
      time('offline'),
      time('online'),
    ]
  })
  return table(['time (UTC)', 'images', 'accuracy', 'offline', 'online'], rows)
}

export function renderVerification(result: Verification): string {
  const lines = [`${integer(result.files)} files, ${bytes(result.bytes)} as they should be.`]
  for (const problem of result.database) lines.push(`database: ${problem}`)
  for (const { sha256, problem, models } of result.bad)
    lines.push(`${sha256}: ${problem}; used by ${models.join(', ')}`)
  for (const path of result.orphans) lines.push(`${path}: used by no model${result.repaired ? ', removed' : ''}`)
  lines.push(result.ok ? 'Nothing is wrong.' : "Something is wrong. 'zoo verify --repair' removes what no model uses.")
  return lines.join('\n')
}

export function renderLeftovers(all: readonly Leftover[]): string {
  if (all.length === 0) return 'Nothing is left over.'
  const stands = ({ kind, model, needed }: Leftover): string => {
    if (kind === 'packages') return 'prepared for inferences that never came'
    if (needed !== null) return needed.by === 'job' ? `needed by the job '${needed.title}'` : 'linked by the catalog'
    if (model === 'none') return ''
    return model === 'kept' ? 'its model is in the catalog' : 'its model is only here'
  }
  return table(
    ['name', 'size', 'changed (UTC)', ''],
    all.map((one) => [one.name, bytes(one.bytes), new Date(one.changed).toISOString().slice(0, 10), stands(one)]),
  )
}
