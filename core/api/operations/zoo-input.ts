/** What the inputs of the catalog's operations share. */
import * as v from 'valibot'

/** The data folder; see dataFolder. */
export const dataEntry = { data: v.exactOptional(v.string()) }

/** Id of a model; 'zoo:' before it, as other operations name a model of the catalog, does no harm. */
export const idText = v.pipe(
  v.string(),
  v.transform((text) => text.replace(/^zoo:/, '')),
  v.minLength(1),
  v.maxLength(64),
)
export const idEntry = { id: idText }

/** Tags for a model that is being made. */
export const tagsEntry = v.optional(v.pipe(v.array(v.string()), v.maxLength(100)), [])
