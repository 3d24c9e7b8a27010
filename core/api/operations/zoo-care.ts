/** Operations that look after the catalog: trash, checks, backups. */
import * as v from 'valibot'
import { backupZoo, type BackedUp } from '../../zoo/backup.ts'
import { KEPT_DAYS, purgeModels, restoreModels, trashModels, type Purged } from '../../zoo/trash.ts'
import { vacuumZoo } from '../../zoo/vacuum.ts'
import { verifyZoo, type Verification } from '../../zoo/verify.ts'
import { withZoo } from '../../zoo/zoo.ts'
import { dataFolder } from '../data-folder.ts'
import type { Operation } from '../operation.ts'
import { dataEntry, idText } from './zoo-input.ts'

const ids = v.pipe(v.array(idText), v.minLength(1, 'name at least one model'), v.maxLength(1000))
const someInput = v.strictObject({ ...dataEntry, ids })
interface Moved {
  readonly ids: readonly string[]
}

export const zooTrash: Operation<typeof someInput, Moved> = {
  name: 'zooTrash',
  summary: `Puts models into the trash, from where they come back with restore for ${KEPT_DAYS} days.`,
  input: someInput,
  run: ({ data, ids }, { onNotice }) =>
    withZoo(dataFolder(data), (zoo) => {
      trashModels(zoo, ids)
      // The moment at which somebody clears up, so that what was cleared up long ago does not fill the disk for ever.
      const { models } = purgeModels(zoo, { olderThanDays: KEPT_DAYS })
      if (models.length > 0) {
        onNotice(`deleted for good after ${KEPT_DAYS} days in the trash: ${models.join(', ')}`)
      }
      return { ids }
    }),
}

export const zooRestore: Operation<typeof someInput, Moved> = {
  name: 'zooRestore',
  summary: 'Takes models out of the trash.',
  input: someInput,
  run: ({ data, ids }) =>
    withZoo(dataFolder(data), (zoo) => {
      restoreModels(zoo, ids)
      return { ids }
    }),
}

const purgeInput = v.strictObject({
  ...dataEntry,
  /** These, at once; without them, all that have been in the trash for long enough. */
  ids: v.exactOptional(ids),
  olderThanDays: v.optional(v.pipe(v.number(), v.finite(), v.minValue(0)), KEPT_DAYS),
})

export const zooPurge: Operation<typeof purgeInput, Purged> = {
  name: 'zooPurge',
  summary: 'Deletes models in the trash for good and frees the disk.',
  input: purgeInput,
  run: ({ data, ids, olderThanDays }) =>
    withZoo(dataFolder(data), (zoo) => purgeModels(zoo, ids === undefined ? { olderThanDays } : { ids })),
}

const verifyInput = v.strictObject({ ...dataEntry, repair: v.optional(v.boolean(), false) })

export const zooVerify: Operation<typeof verifyInput, Verification> = {
  name: 'zooVerify',
  summary: 'Checks the database and every checksum; with repair, removes what no model uses.',
  input: verifyInput,
  run: ({ data, repair }, { onProgress, signal }) =>
    withZoo(dataFolder(data), (zoo) =>
      verifyZoo(zoo, {
        repair,
        onFile(done, of) {
          signal.throwIfAborted()
          onProgress({ text: `file ${done + 1} of ${of}`, fraction: done / of })
        },
      }),
    ),
}

const backupInput = v.strictObject({ ...dataEntry, path: v.pipe(v.string(), v.minLength(1)) })

export const zooBackup: Operation<typeof backupInput, BackedUp> = {
  name: 'zooBackup',
  summary: 'Copies the whole catalog to a new folder, also while it is in use.',
  input: backupInput,
  run: ({ data, path }) => withZoo(dataFolder(data), (zoo) => backupZoo(zoo, path)),
}

const vacuumInput = v.strictObject(dataEntry)

export const zooVacuum: Operation<typeof vacuumInput, ReturnType<typeof vacuumZoo>> = {
  name: 'zooVacuum',
  summary: "Rewrites the catalog's database without gaps.",
  input: vacuumInput,
  run: ({ data }) => withZoo(dataFolder(data), vacuumZoo),
}
