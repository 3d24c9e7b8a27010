/**
 * Every operation of the program. The command line calls them, and so will the desktop app and the browser: nothing
 * is reachable in one and missing in another.
 */
import { about, licenceText } from './operations/about.ts'
import { architectures } from './operations/architectures.ts'
import { benchmarks } from './operations/benchmarks.ts'
import { browse } from './operations/browse.ts'
import { budgetCosts } from './operations/budget-costs.ts'
import { calibrate } from './operations/calibrate.ts'
import { connect } from './operations/connect.ts'
import { connectionTest } from './operations/connection-test.ts'
import { datasetImages } from './operations/dataset-images.ts'
import { datasetCheck, datasetFetch, datasetList } from './operations/datasets.ts'
import { describe } from './operations/describe.ts'
import { engineFetch, engineFind, engineMeasure, engines } from './operations/engines.ts'
import { evaluate } from './operations/evaluate.ts'
import { identity } from './operations/identity.ts'
import { infer } from './operations/infer.ts'
import { leftovers, removeLeftovers } from './operations/leftovers.ts'
import { linearize } from './operations/linearize.ts'
import { modelLayers, modelMask } from './operations/model-layers.ts'
import { models } from './operations/models.ts'
import { forgetPeer, pair, peers, renamePeer } from './operations/peers.ts'
import { recipeCheck, recipes } from './operations/recipes.ts'
import { serve } from './operations/serve.ts'
import { settings } from './operations/settings.ts'
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
  architectures,
  modelLayers,
  modelMask,
  models,
  serve,
  connect,
  connectionTest,
  pair,
  peers,
  forgetPeer,
  renamePeer,
  identity,
  about,
  licenceText,
  settings,
  browse,
  leftovers,
  removeLeftovers,
  train,
  evaluate,
  linearize,
  sweep,
  budgetCosts,
  benchmarks,
  calibrate,
  recipes,
  recipeCheck,
  engines,
  engineMeasure,
  engineFind,
  engineFetch,
  datasetList,
  datasetFetch,
  datasetCheck,
  datasetImages,
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
