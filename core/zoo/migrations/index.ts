/**
 * Every change of the schema, in order; the position is the schema's version. A migration that was released is never
 * edited: add the next one.
 */
import { models } from './001-models.ts'
import { files } from './002-files.ts'
import { datasets } from './003-datasets.ts'
import { cards } from './004-cards.ts'
import { tags } from './005-tags.ts'
import { recipesAndRuns } from './006-recipes-runs.ts'
import { lineage } from './007-lineage.ts'
import { measurements } from './008-measurements.ts'
import { inferences } from './009-inferences.ts'
import { search } from './010-search.ts'
import { signers } from './011-signers.ts'
import { jobs } from './012-jobs.ts'

export const MIGRATIONS: readonly string[] = [
  models,
  files,
  datasets,
  cards,
  tags,
  recipesAndRuns,
  lineage,
  measurements,
  inferences,
  search,
  signers,
  jobs,
]
