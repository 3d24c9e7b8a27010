/**
 * Every operation of the program. The command line calls them, and so will the desktop app and the browser: nothing
 * is reachable in one and missing in another.
 */
import { connect } from './operations/connect.ts'
import { datasetCheck, datasetFetch, datasetList } from './operations/datasets.ts'
import { describe } from './operations/describe.ts'
import { evaluate } from './operations/evaluate.ts'
import { identity } from './operations/identity.ts'
import { infer } from './operations/infer.ts'
import { linearize } from './operations/linearize.ts'
import { models } from './operations/models.ts'
import { serve } from './operations/serve.ts'
import { sweep } from './operations/sweep.ts'
import { train } from './operations/train.ts'
import { published, zooDiff, zooDuplicates, zooPareto, zooRestoreBackup, zooTable } from './operations/zoo-analysis.ts'
import { zooExportBundle, zooForgetSigner, zooImportBundle, zooInspect, zooSigners } from './operations/zoo-bundles.ts'
import { zooBackup, zooPurge, zooRestore, zooTrash, zooVacuum, zooVerify } from './operations/zoo-care.ts'
import { zooExport, zooExportOnnx, zooImport } from './operations/zoo-exchange.ts'
import { zooCompare, zooEdit, zooHistory, zooLineage, zooList, zooShow, zooTag } from './operations/zoo-models.ts'

export const operations = {
  infer,
  describe,
  models,
  serve,
  connect,
  identity,
  train,
  evaluate,
  linearize,
  sweep,
  datasetList,
  datasetFetch,
  datasetCheck,
  zooList,
  zooShow,
  zooImport,
  zooImportBundle,
  zooInspect,
  zooExport,
  zooExportOnnx,
  zooExportBundle,
  zooSigners,
  zooForgetSigner,
  zooTag,
  zooEdit,
  zooCompare,
  zooDiff,
  zooDuplicates,
  zooPareto,
  published,
  zooTable,
  zooLineage,
  zooHistory,
  zooTrash,
  zooRestore,
  zooPurge,
  zooVerify,
  zooBackup,
  zooRestoreBackup,
  zooVacuum,
} as const
