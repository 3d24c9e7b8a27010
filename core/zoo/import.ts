/**
 * Brings a model into the catalog: a source puts a model folder into a staging folder, and that copy is what is checked,
 * counted and kept, so nothing can change between the check and the commit.
 */
import { existsSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { AdytonError } from '../errors/errors.ts'
import type { Comparison } from '../formats/import/compare.ts'
import type { Counts } from '../network/counts.ts'
import { FILE_NAMES } from './file-names.ts'
import type { Staged } from './files.ts'
import { insertVersion, ROLES, type NewVersion, type Origin, type Role } from './insert.ts'
import type { Stage } from './models.ts'
import { stageSource, type SourceOptions } from './sources.ts'
import { readStaged } from './staged.ts'
import type { Zoo } from './zoo.ts'

export { FILE_NAMES }

export interface ImportOptions extends SourceOptions {
  readonly versionOf?: string
  readonly stage?: Stage
  /** What the lineage names as the source, in place of the path. */
  readonly origin?: string
  readonly parent?: NonNullable<NewVersion['parent']>
  /** Of a model that was made here: by which run, and of what, unless that is `parent`. */
  readonly made?: { readonly by: NonNullable<NewVersion['madeBy']>; readonly of?: Origin }
}

export interface Imported extends Counts {
  readonly id: string
  /** Number of the version, from 1. */
  readonly version: number
  readonly name: string
}

export interface ImportedSource extends Imported {
  /** 'folder', or the id of a format. */
  readonly format: string
  readonly notes: readonly string[]
  /** How far it is from the file's own network, run by a second implementation; null when there was none to run. */
  readonly comparison: Comparison | null
}

export async function importModel(zoo: Zoo, path: string, options: ImportOptions = {}): Promise<ImportedSource> {
  const source = resolve(path)
  return await zoo.files.staging(async (staging) => {
    const sourced = await stageSource(source, staging, options)
    const { card, counts, recipe } = await readStaged(staging).catch((error: unknown) => {
      throw named(error, staging, source)
    })
    const files = new Map<Role, Staged>()
    for (const role of ROLES) {
      const file = join(staging, FILE_NAMES[role])
      if (existsSync(file)) files.set(role, await zoo.files.stage(file))
    }
    const { versionOf, stage = 'draft', origin = source, parent, made } = options
    const { id, number } = zoo.write(() =>
      insertVersion(zoo, {
        ...(versionOf === undefined ? {} : { versionOf }),
        ...(parent === undefined ? {} : { parent }),
        ...(recipe === undefined ? {} : { recipe }),
        ...(made === undefined ? {} : { madeBy: made.by, origins: made.of === undefined ? [] : [made.of] }),
        ...{ stage, card, counts, files, source: origin, at: Date.now() },
      }),
    )
    return { id, version: number, name: card.name, ...counts, ...sourced }
  })
}

/** An error about the copy, told about the original. */
function named(error: unknown, staging: string, source: string): unknown {
  if (!(error instanceof AdytonError)) return error
  return new AdytonError(error.code, error.message.replaceAll(staging, source), {
    ...(error.advice === undefined ? {} : { advice: error.advice }),
    cause: error,
  })
}
