/** `adyton zoo`: the catalog of models. */
import { Option, type Command } from 'commander'
import { operations } from '../api/index.ts'
import type { Operation } from '../api/operation.ts'
import { AdytonError } from '../errors/errors.ts'
import { SORT_NAMES } from '../zoo/list.ts'
import { STAGES } from '../zoo/models.ts'
import { bytes, integer } from './format.ts'
import type { Runner } from './runner.ts'
import {
  renderComparison,
  renderDetails,
  renderHistory,
  renderLineage,
  renderList,
  renderVerification,
} from './zoo-render.ts'

type Flags = Record<string, unknown>

export function addZooCommands(program: Command, { run, integerArgument, example }: Runner): void {
  const zoo = program
    .command('zoo')
    .description('The catalog of models: import, search, compare, keep.')
    .option('--data <folder>', "folder of this installation's data")
    .option('--json', 'print one JSON document')
    .configureHelp({ showGlobalOptions: true })
    .addHelpText('after', example('zoo list "relus<50k acc>70 tag:demo" --sort relus'))

  /** A command that calls one operation; `input` makes the operation's input of arguments and flags. */
  const add = <I, O>(
    usage: string,
    operation: Operation<I, O>,
    input: (flags: Flags, ...args: string[]) => unknown,
    text: (output: O) => string,
  ): Command => {
    const command = zoo.command(usage).description(operation.summary).configureHelp({ showGlobalOptions: true })
    return command.action(async (...given: unknown[]) => {
      const { json = false, ...flags } = command.optsWithGlobals<{ json?: boolean } & Flags>()
      const args = given.slice(0, command.registeredArguments.length) as string[]
      const { data } = flags
      const fields = input(flags, ...args) as Flags
      await run(operation, data === undefined ? fields : { ...fields, data }, json, text)
    })
  }
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
  add(
    'import <path>',
    operations.zooImport,
    ({ from, relation, ...flags }, path) => ({
      ...flags,
      path,
      ...(from === undefined ? {} : { parent: { id: from, ...(relation === undefined ? {} : { relation }) } }),
    }),
    (made) =>
      `${made.name}: model ${made.id}, version ${made.version}; ${integer(made.relus)} ReLUs, ` +
      `${integer(made.macs)} MACs, ${integer(made.params)} parameters.`,
  )
    .addOption(stage())
    .option('--version-of <id>', 'a new version of this model, instead of a new model')
    .option('--from <id>', 'the model of the catalog that it was made of')
    .addOption(new Option('--relation <kind>', 'how it was made of it').choices(['trained-from', 'linearised-from']))
  add(
    'export <id> <path>',
    operations.zooExport,
    (_, id, path) => ({ id, path }),
    ({ folder, files }) => `${folder}: ${files.join(', ')}`,
  )
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
  add('verify', operations.zooVerify, (flags) => flags, renderVerification).option(
    '--repair',
    'remove what no model uses, and rebuild the search index',
  )
  add(
    'backup <path>',
    operations.zooBackup,
    (_, path) => ({ path }),
    (done) => `${done.folder}: ${integer(done.models)} models, ${integer(done.files)} files of ${bytes(done.bytes)}.`,
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
