/** Operations that look at the catalog as a whole or lay its models beside something else, and the restore of a backup. */
import * as v from 'valibot'
import { diffGraphs, type GraphDiff } from '../../zoo/diff.ts'
import { duplicatesOf, type Duplicates } from '../../zoo/duplicates.ts'
import { paretoOf, type Pareto } from '../../zoo/pareto.ts'
import { published as publishedResults, publishedOn, type Published } from '../../zoo/published.ts'
import { restoreBackup, type RestoredBackup } from '../../zoo/restore-backup.ts'
import { exportTable, FORMATS, TABLE_NAMES, writeTable, type TableFormat, type TableName } from '../../zoo/tables.ts'
import { withZoo } from '../../zoo/zoo.ts'
import { dataFolder } from '../data-folder.ts'
import type { Operation } from '../operation.ts'
import { dataEntry, idText } from './zoo-input.ts'

const text = v.pipe(v.string(), v.minLength(1))

const paretoInput = v.strictObject({
  ...dataEntry,
  /** 'relus', 'macs', 'params', 'accuracy' or the name of another measurement. */
  x: v.optional(text, 'relus'),
  y: v.optional(text, 'accuracy'),
  query: v.optional(v.string(), ''),
  /** Data set whose published results are put beside. */
  published: v.exactOptional(text),
})

export const zooPareto: Operation<typeof paretoInput, Pareto> = {
  name: 'zooPareto',
  summary: 'Finds the models that no other is better than in two measures, beside published results.',
  input: paretoInput,
  run: ({ data, ...options }) => withZoo(dataFolder(data), (zoo) => paretoOf(zoo, options)),
}

const duplicatesInput = v.strictObject(dataEntry)

export const zooDuplicates: Operation<typeof duplicatesInput, Duplicates> = {
  name: 'zooDuplicates',
  summary: 'Finds models that are one network more than once, to the bit or nearly.',
  input: duplicatesInput,
  run: ({ data }) => withZoo(dataFolder(data), duplicatesOf),
}

const diffInput = v.strictObject({ ...dataEntry, a: idText, b: idText })

export const zooDiff: Operation<typeof diffInput, GraphDiff> = {
  name: 'zooDiff',
  summary: 'Shows in what the networks of two models differ: nodes, masks, weights.',
  input: diffInput,
  run: ({ data, a, b }) => withZoo(dataFolder(data), (zoo) => diffGraphs(zoo, a, b)),
}

const tableInput = v.strictObject({
  ...dataEntry,
  table: v.picklist(TABLE_NAMES),
  format: v.optional(v.picklist(FORMATS), 'csv'),
  /** A new file; without it, the text is the answer. */
  path: v.exactOptional(text),
})

export interface TableExport {
  readonly table: TableName
  readonly format: TableFormat
  /** null when it went to a file. */
  readonly text: string | null
  readonly written: { readonly path: string; readonly rows: number } | null
}

export const zooTable: Operation<typeof tableInput, TableExport> = {
  name: 'zooTable',
  summary: 'Exports a table of the catalog as CSV or JSON.',
  input: tableInput,
  run: ({ data, table, format, path }) =>
    withZoo(dataFolder(data), async (zoo) =>
      path === undefined
        ? { table, format, text: exportTable(zoo, table, format), written: null }
        : { table, format, text: null, written: await writeTable(zoo, table, format, path) },
    ),
}

const restoreInput = v.strictObject({ ...dataEntry, path: text })

export const zooRestoreBackup: Operation<typeof restoreInput, RestoredBackup> = {
  name: 'zooRestoreBackup',
  summary: 'Puts a backup in the place of the catalog, which is kept beside it.',
  input: restoreInput,
  run: ({ data, path }, { onProgress, signal }) =>
    restoreBackup(dataFolder(data), path, (done, of) => {
      signal.throwIfAborted()
      onProgress({ text: `file ${done + 1} of ${of}`, fraction: done / of })
    }),
}

const publishedInput = v.strictObject({ ...dataEntry, dataset: v.exactOptional(text) })

export const published: Operation<typeof publishedInput, Published> = {
  name: 'published',
  summary: 'Lists what papers on private inference report: ReLUs, MACs, accuracy, latency.',
  input: publishedInput,
  async run({ dataset }) {
    const all = publishedResults()
    return dataset === undefined ? all : { ...all, points: publishedOn(dataset) }
  },
}
