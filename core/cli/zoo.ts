/** `adyton zoo`: the catalog of models. */
import { Option, type Command } from 'commander'
import type * as v from 'valibot'
import { operations } from '../api/index.ts'
import type { Operation } from '../api/operation.ts'
import { AdytonError } from '../errors/errors.ts'
import { SORT_NAMES } from '../zoo/list.ts'
import { STAGES } from '../zoo/models.ts'
import { FORMATS, TABLE_NAMES } from '../zoo/tables.ts'
import { bytes, integer } from './format.ts'
import type { Runner } from './runner.ts'
import { addExchangeCommands, type AddAny, type Flags } from './zoo-exchange.ts'
import {
  renderDiff,
  renderDuplicates,
  renderPareto,
  renderPublished,
  renderRestored,
  renderTable,
} from './zoo-analysis-render.ts'
import {
  renderComparison,
  renderDetails,
  renderHistory,
  renderLeftovers,
  renderLineage,
  renderList,
  renderVerification,
} from './zoo-render.ts'

export function addZooCommands(program: Command, { run, integerArgument, example }: Runner): void {
  const zoo = program
    .command('zoo')
    .description('The catalog of models: import, search, compare, keep.')
    .option('--data <folder>', "folder of this installation's data")
    .option('--json', 'print one JSON document')
    .configureHelp({ showGlobalOptions: true })
    .addHelpText('after', example('zoo list "relus<50k acc>70 tag:demo" --sort relus'))

  /** A command whose arguments and flags say which operation it calls. */
  const addAny: AddAny = (usage, summary, choose) => {
    const command = zoo.command(usage).description(summary).configureHelp({ showGlobalOptions: true })
    return command.action(async (...given: unknown[]) => {
      const { json = false, data, ...flags } = command.optsWithGlobals<{ json?: boolean; data?: string } & Flags>()
      const args = given.slice(0, command.registeredArguments.length) as string[]
      await choose(
        flags,
        ...args,
      )((operation, input, text, failed) =>
        run(operation, data === undefined ? input : { ...input, data }, json, text, failed),
      )
    })
  }
  /** A command that calls one operation; `input` makes the operation's input of arguments and flags. */
  const add = <O>(
    usage: string,
    operation: Operation<v.GenericSchema, O>,
    input: (flags: Flags, ...args: string[]) => Flags,
    text: (output: O) => string,
    failed?: (output: O) => boolean,
  ): Command =>
    addAny(
      usage,
      operation.summary,
      (flags, ...args) =>
        (call) =>
          call(operation, input(flags, ...args), text, failed),
    )
  const stage = () => new Option('--stage <name>', 'stage of the version').choices(STAGES)

  add('list [query...]', operations.zooList, (flags, query) => ({ ...flags, query: words(query) }), renderList)
    .addOption(new Option('--sort <column>', 'order').choices(SORT_NAMES))
    .option('--descending', 'the largest first')
    .option('--limit <n>', 'rows of a page', integerArgument)
    .option('--offset <n>', 'rows to leave out', integerArgument)
    .option('--after <place>', "'next' of the page before")
    .option('--trash', 'the models in the trash')
    // A term that is turned round begins with a dash; what is no term is told as such.
    .allowUnknownOption()
  add('show <id>', operations.zooShow, (_, id) => ({ id }), renderDetails)
  addExchangeCommands(addAny, { stage, integerArgument, example })
  add('tag <id> [tags...]', operations.zooTag, (_, id, tags) => ({ id, ...signed(tags) }), renderTags)
    .allowUnknownOption()
    .addHelpText('after', example('zoo tag 7kq2m4xw9d +demo -draft'))
  add('add-tag <id> <tags...>', operations.zooTag, (_, id, add) => ({ id, add }), renderTags)
  add('remove-tag <id> <tags...>', operations.zooTag, (_, id, remove) => ({ id, remove }), renderTags)
  add('edit <id>', operations.zooEdit, (flags, id) => ({ ...flags, id }), renderDetails)
    .option('--name <text>', 'name')
    .option('--description <text>', 'description on the card')
    .option('--licence <text>', 'licence on the card')
    .addOption(stage())
    .option('--intended-use <text>', 'what it is for')
    .option('--base-model <text>', 'what it was made of, in words')
    .option('--limits <text>', 'what it is not for')
  add('compare <ids...>', operations.zooCompare, (_, ids) => ({ ids }), renderComparison)
  add('diff <a> <b>', operations.zooDiff, (_, a, b) => ({ a, b }), renderDiff)
  add('duplicates', operations.zooDuplicates, () => ({}), renderDuplicates)
  add('pareto [query...]', operations.zooPareto, (flags, query) => ({ ...flags, query: words(query) }), renderPareto)
    .option('--x <measure>', "'relus', 'macs', 'params', 'accuracy' or the name of a measurement")
    .option('--y <measure>', 'the other measure')
    .option('--published <dataset>', 'put the published results on this data set beside')
    .allowUnknownOption()
    .addHelpText('after', example('zoo pareto dataset:cifar100 --x relus --y accuracy --published cifar100'))
  add('published [dataset]', operations.published, (_, dataset) => (dataset ? { dataset } : {}), renderPublished)
  add(
    'table <name> [path]',
    operations.zooTable,
    (flags, name, path) => ({ ...flags, table: name, ...(path ? { path } : {}) }),
    renderTable,
  )
    .addOption(new Option('--format <name>', 'of the export').choices(FORMATS))
    .addHelpText('after', `\nTables: ${TABLE_NAMES.join(', ')}\n${example('zoo table models models.csv')}`)
  add('lineage <id>', operations.zooLineage, (_, id) => ({ id }), renderLineage)
  add('history <id>', operations.zooHistory, (flags, id) => ({ ...flags, id }), renderHistory).option(
    '--limit <n>',
    'so many of the newest',
    integerArgument,
  )
  add(
    'trash <ids...>',
    operations.zooTrash,
    (_, ids) => ({ ids }),
    ({ ids }) => `In the trash: ${ids.join(', ')}`,
  )
  add(
    'restore <ids...>',
    operations.zooRestore,
    (_, ids) => ({ ids }),
    ({ ids }) => `Restored: ${ids.join(', ')}`,
  )
  add(
    'purge [ids...]',
    operations.zooPurge,
    (flags, ids) => ({ ...flags, ...(ids.length === 0 ? {} : { ids }) }),
    ({ models, files }) => `${integer(models.length)} models and ${integer(files)} files deleted.`,
  ).option('--older-than-days <n>', 'without ids: what has been in the trash for so long', integerArgument)
  add(
    'verify',
    operations.zooVerify,
    (flags) => flags,
    renderVerification,
    ({ ok }) => !ok,
  ).option('--repair', 'remove what no model uses, and rebuild the search index')
  add(
    'backup <path>',
    operations.zooBackup,
    (_, path) => ({ path }),
    (done) => `${done.folder}: ${integer(done.models)} models, ${integer(done.files)} files of ${bytes(done.bytes)}.`,
  )
  add('restore-backup <path>', operations.zooRestoreBackup, (_, path) => ({ path }), renderRestored)
  add('leftovers', operations.leftovers, () => ({}), renderLeftovers)
  add(
    'remove-leftovers <names...>',
    operations.removeLeftovers,
    (_, names) => ({ names }),
    (done) => `${bytes(done.bytes)} freed.`,
  )
  add(
    'vacuum',
    operations.zooVacuum,
    () => ({}),
    ({ before, after }) => `${bytes(before)} before, ${bytes(after)} after.`,
  )
}

/** Commander passes a list where an argument may be repeated. */
function words(query: unknown): string {
  return (query as readonly string[]).join(' ')
}

function renderTags({ id, tags }: { readonly id: string; readonly tags: readonly string[] }): string {
  return `${id}: ${tags.join(' ') || 'no tags'}`
}

/** '+a' and '-b' as what to add and what to remove. */
function signed(tags: unknown): { add: string[]; remove: string[] } {
  const given = tags as readonly string[]
  for (const tag of given) {
    if (/^[+-]./.test(tag)) continue
    throw new AdytonError('usage', `'${tag}': write +${tag} to add a tag, -${tag} to remove it`)
  }
  const of = (sign: string): string[] => given.filter((tag) => tag.startsWith(sign)).map((tag) => tag.slice(1))
  return { add: of('+'), remove: of('-') }
}
