/** Works on a catalog until it is killed: `zoo-child.ts <data> <folder> <log>`, and notes what it committed. */
import { randomInt } from 'node:crypto'
import { appendFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { backupZoo } from '../../core/zoo/backup.ts'
import { editModel } from '../../core/zoo/edit.ts'
import { importModel } from '../../core/zoo/import.ts'
import { purgeModels, trashModels } from '../../core/zoo/trash.ts'
import { openZoo } from '../../core/zoo/zoo.ts'
import { writeTiny } from '../fixtures/zoo.ts'

const [data, folder, log] = process.argv.slice(2)
const zoo = await openZoo(data)
const path = join(folder, `model-${process.pid}`)
writeSync(1, 'ready\n')
const mine: string[] = []
for (let seed = 1; ; seed++) {
  // Few seeds: files are shared, removed and brought in again all the time.
  await writeTiny(path, seed % 5, { description: `number ${seed % 3}` })
  const { id } = await importModel(zoo, path)
  appendFileSync(log, `imported ${id}\n`)
  mine.push(id)
  await editModel(zoo, id, { name: `edited ${seed % 4}` })
  if (seed % 4 === 2) {
    const backup = join(folder, `backup-${process.pid}-${seed}`)
    await backupZoo(zoo, backup)
    appendFileSync(log, `backed-up ${backup}\n`)
  }
  if (mine.length < 3) continue
  const [away] = mine.splice(randomInt(mine.length), 1)
  appendFileSync(log, `purging ${away}\n`)
  trashModels(zoo, [away])
  purgeModels(zoo, { ids: [away] })
  appendFileSync(log, `purged ${away}\n`)
}
