/** `adyton dataset`: what data sets there are, fetching one, checking one. */
import { Argument, type Command } from 'commander'
import { operations } from '../api/index.ts'
import type { DatasetReport, DatasetRow } from '../api/operations/datasets.ts'
import { bytes, integer, table } from './format.ts'
import type { Runner } from './runner.ts'

type Flags = { json?: boolean } & Record<string, unknown>

export function addDatasetCommands(program: Command, { run, example }: Runner): void {
  const dataset = program.command('dataset').description('Data sets: list, fetch, check.')
  dataset
    .command('list')
    .description(operations.datasetList.summary)
    .option('--data <folder>', "folder of this installation's data")
    .option('--json', 'print one JSON document')
    .action(({ json = false, ...flags }: Flags) => run(operations.datasetList, flags, json, renderList))
  dataset
    .command('fetch')
    .description(operations.datasetFetch.summary)
    .addArgument(new Argument('<id>', 'an official data set, see list'))
    .option('--out <folder>', 'folder to put it in (default: datasets/ in the data folder)')
    .option('--data <folder>', "folder of this installation's data")
    .option('--json', 'print one JSON document')
    .addHelpText('after', example('dataset fetch cifar-10 --out datasets'))
    .action((id: string, { json = false, ...flags }: Flags) =>
      run(operations.datasetFetch, { id, ...flags }, json, renderReport),
    )
  dataset
    .command('check')
    .description(operations.datasetCheck.summary)
    .addArgument(new Argument('<path>', 'folder or archive'))
    .option('--json', 'print one JSON document')
    .action((path: string, { json = false }: Flags) => run(operations.datasetCheck, { path }, json, renderReport))
}

function renderList(rows: readonly DatasetRow[]): string {
  return table(
    ['id', 'name', 'images', 'classes', 'on this machine', 'download'],
    rows.map(({ id, title, images, classes, folder, bytes: size, urls }) => [
      id ?? '',
      title,
      integer(images.train + images.test),
      integer(classes),
      folder ?? 'no',
      size === null ? '' : `${bytes(size)} from ${new URL(urls[0]).host}`,
    ]),
  )
}

function renderReport({ path, kind, name, classes, shape, images, notices }: DatasetReport): string {
  return [
    `${path}: ${name} (${kind}), ${classes} classes, images of ${shape.join('x')}; ` +
      `${integer(images.train)} to train, ${integer(images.test)} to test.`,
    ...notices,
  ].join('\n')
}
