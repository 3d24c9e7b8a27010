import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { changeTags } from '../../core/zoo/tags.ts'
import { importModel } from '../../core/zoo/import.ts'
import { addInference } from '../../core/zoo/inferences.ts'
import { listModels } from '../../core/zoo/list.ts'
import { showModel } from '../../core/zoo/show.ts'
import { exportTable, TABLE_NAMES, writeTable } from '../../core/zoo/tables.ts'
import { trashModels } from '../../core/zoo/trash.ts'
import { openZoo, type Zoo } from '../../core/zoo/zoo.ts'
import { insertRow, temporaryFolder, writeTiny } from '../fixtures/zoo.ts'

let folder: Awaited<ReturnType<typeof temporaryFolder>>
let zoo: Zoo
beforeEach(async () => {
  folder = await temporaryFolder()
  zoo = await openZoo(join(folder.dir, 'data'))
})
afterEach(async () => {
  zoo.close()
  await folder[Symbol.asyncDispose]()
})

/** RFC 4180 by its grammar, apart from the writer. */
function parseCsv(text: string): string[][] {
  const rows: string[][] = []
  let row: string[] = []
  let at = 0
  while (at < text.length) {
    let cell = ''
    if (text[at] === '"') {
      for (at++; ; at++) {
        if (at >= text.length) throw new Error('a quote is not closed')
        if (text[at] !== '"') cell += text[at]
        else if (text[at + 1] === '"') cell += text[at++]
        else break
      }
      at++
    } else while (at < text.length && !/[,"\r\n]/.test(text[at])) cell += text[at++]
    row.push(cell)
    if (text[at] === ',') at++
    else if (text.startsWith('\r\n', at)) {
      rows.push(row)
      row = []
      at += 2
    } else throw new Error(`a record ends wrongly at ${at}`)
  }
  return rows
}

const json = (name: (typeof TABLE_NAMES)[number]) =>
  JSON.parse(exportTable(zoo, name, 'json')) as Record<string, unknown>[]

test('every table of the schema can be exported', () => {
  const tables = zoo.db
    .prepare(
      `SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT GLOB 'search*' AND name NOT GLOB 'sqlite_*'`,
    )
    .pluck()
    .all() as string[]
  expect([...TABLE_NAMES].sort()).toEqual(tables.sort())
})

test('an empty catalog gives headers and empty lists', () => {
  for (const name of TABLE_NAMES) {
    expect(json(name)).toEqual([])
    expect(parseCsv(exportTable(zoo, name, 'csv'))).toHaveLength(1)
  }
})

describe('with models', () => {
  let id: string
  beforeEach(async () => {
    const path = await writeTiny(join(folder.dir, 'tiny'))
    await writeFile(join(path, 'recipe.json'), '{\n  "name": "on\\nlines",\n  "steps": []\n}')
    id = (await importModel(zoo, path)).id
    await importModel(zoo, path, { versionOf: id, parent: { id, relation: 'trained-from' } })
    changeTags(zoo, id, ['b', 'a'], [])
    addInference(zoo, id, { at: 7, ledger: { client: { entries: [1.5] } } })
    trashModels(zoo, [insertRow(zoo, { name: 'thrown away' })])
    zoo.db.exec(`INSERT INTO signatures (version, json) SELECT min(key), '{"a": [1]}' FROM versions;
      INSERT INTO jobs (id, json) VALUES ('j1', '{"kind": "train"}');
      INSERT INTO signers (fingerprint, public_key, name, name_key, first_seen)
      VALUES ('${'ab'.repeat(32)}', randomblob(32), 'A', 'a', 3)`)
  })

  test('each has as many rows as the catalog, in both formats, with the same values', () => {
    for (const name of TABLE_NAMES) {
      const count = zoo.db.prepare(`SELECT count(*) FROM ${name}`).pluck().get() as number
      expect([name, count > 0]).toEqual([name, true])
      const rows = json(name)
      const [header, ...records] = parseCsv(exportTable(zoo, name, 'csv'))
      expect([name, rows.length, records.length]).toEqual([name, count, count])
      const asText = (value: unknown): string => {
        if (value === null) return ''
        return typeof value === 'string' ? value : JSON.stringify(value)
      }
      for (const [i, row] of rows.entries()) {
        expect(Object.keys(row)).toEqual(header)
        const cells = header.map((column) => asText(row[column]))
        // The layout of nested JSON is the text's own.
        expect(records[i].map((cell) => (/^[[{]/.test(cell) ? JSON.stringify(JSON.parse(cell)) : cell))).toEqual(cells)
      }
    }
  })

  test('models are the rows of the list, those in the trash included', () => {
    const list = [...listModels(zoo).models, ...listModels(zoo, { trash: true }).models]
    expect(json('models')).toEqual(list)
    expect(list.map(({ tags }) => tags)).toEqual([['a', 'b'], []])
  })

  test('rows name models by their ids, and JSON is nested', () => {
    expect(json('tags')).toEqual(['a', 'b'].map((tag) => ({ model: id, tag })))
    expect(json('inferences')).toEqual([{ model: id, version: 2, at: 7, ledger: { client: { entries: [1.5] } } }])
    expect(json('cards').find(({ model }) => model === id)).toMatchObject({ version: 1, card: showModel(zoo, id).card })
    const edge = json('lineage').find(({ parent }) => parent === id)
    const [recipe] = json('recipes')
    expect(edge).toMatchObject({ child: id, childVersion: 2, parentVersion: 1, recipe: recipe['sha256'] })
    expect(recipe['recipe']).toEqual({ name: 'on\nlines', steps: [] })
    expect(json('runs').map(({ run }) => run)).toContain(edge?.['run'])
    // A row on each line.
    expect(exportTable(zoo, 'recipes', 'json').split('\n')).toHaveLength(4)
  })
})

test('a text that is a formula to a spreadsheet is none in CSV, and itself in JSON', () => {
  const names = ['=1+1', '+1', '-1', '@sum', '\tx', '\r=1', 'plain', "'quoted", 'a,"b"\r\nc', 'Ünï 🙂', ' =1']
  names.forEach((name, i) => insertRow(zoo, { name }, i))
  const [header, ...rows] = parseCsv(exportTable(zoo, 'models', 'csv'))
  const column = header.indexOf('name')
  expect(rows.map((row) => row[column])).toEqual(names.map((name) => (/^[=+\-@\t\r]/.test(name) ? `'${name}` : name)))
  expect(json('models').map(({ name }) => name)).toEqual(names)
})

test('numbers below zero are numbers', () => {
  const id = insertRow(zoo, { name: 'a' })
  zoo.db.prepare('UPDATE measurements SET value = -0.5').run()
  const [header, ...rows] = parseCsv(exportTable(zoo, 'measurements', 'csv'))
  expect(rows.map((row) => row[header.indexOf('value')])).toEqual(rows.map(() => '-0.5'))
  expect(rows[0][0]).toBe(id)
})

test('more rows than a batch; a file has what the text has, and nothing is overwritten', async () => {
  zoo.write(() => {
    for (let i = 0; i < 1001; i++) insertRow(zoo, { name: `m${i}` }, i)
  })
  expect(json('models').map(({ name }) => name)).toEqual(Array.from({ length: 1001 }, (_, i) => `m${i}`))
  for (const format of ['csv', 'json'] as const) {
    const path = join(folder.dir, 'out', `models.${format}`)
    expect(await writeTable(zoo, 'models', format, path)).toEqual({ path, rows: 1001 })
    expect(await readFile(path, 'utf8')).toBe(exportTable(zoo, 'models', format))
    await expect(writeTable(zoo, 'tags', format, path)).rejects.toMatchObject({ code: 'usage' })
  }
  expect(await readdir(join(folder.dir, 'out'))).toEqual(['models.csv', 'models.json'])
})

test('a failure leaves no file and no transaction', async () => {
  insertRow(zoo, { name: 'a' })
  // What the CHECK of the schema keeps out.
  zoo.db.pragma('ignore_check_constraints = ON')
  zoo.db.exec(`UPDATE cards SET json = '{'`)
  await expect(writeTable(zoo, 'cards', 'json', join(folder.dir, 'out', 'cards.json'))).rejects.toThrow()
  expect(await readdir(join(folder.dir, 'out'))).toEqual([])
  expect(zoo.db.inTransaction).toBe(false)
})
