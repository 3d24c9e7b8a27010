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
import { zooBackup, zooPurge, zooRestore, zooTrash, zooVacuum, zooVerify } from './operations/zoo-care.ts'
import {
  zooCompare,
  zooEdit,
  zooExport,
  zooHistory,
  zooImport,
  zooLineage,
  zooList,
  zooShow,
  zooTag,
} from './operations/zoo-models.ts'

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
  zooExport,
  zooTag,
  zooEdit,
  zooCompare,
  zooLineage,
  zooHistory,
  zooTrash,
  zooRestore,
  zooPurge,
  zooVerify,
  zooBackup,
  zooVacuum,
} as const
