/** Brings a bundle into the catalog, or shows what is in one. */
import { existsSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { formatFingerprint } from '../../channel/identity.ts'
import { AdytonError } from '../../errors/errors.ts'
import type { Counts } from '../../network/counts.ts'
import type { Staged } from '../files.ts'
import { FILE_NAMES } from '../file-names.ts'
import type { Imported } from '../import.ts'
import { COUNTS, insertVersion, ROLES, type NewVersion, type Role } from '../insert.ts'
import type { Measurement } from '../measurements.ts'
import type { Stage } from '../models.ts'
import { readStaged, recipeOf, type StagedModel } from '../staged.ts'
import type { Zoo } from '../zoo.ts'
import { withContents, type Contents, type Mismatch } from './contents.ts'
import type { Manifest } from './manifest.ts'
import { checkSigner, knownName, rememberSigner, standingOf, type Standing, type Trust } from './trust.ts'

/** What to do when a file is not what the manifest says. */
export const ON_MISMATCH = ['cancel', 'keep', 'delete'] as const
export type OnMismatch = (typeof ON_MISMATCH)[number]

/** The tag of a model that was kept although files did not match. */
export const UNVERIFIED = 'unverified'

export interface BundleImportOptions {
  readonly trust?: Trust
  /**
   * cancel: an error, and nothing is written; keep: imported nevertheless if it can be read, marked and without its
   * signature; delete: the bundle is removed from the disk.
   */
  readonly onMismatch?: OnMismatch
  readonly versionOf?: string
  /** Instead of the bundle's. */
  readonly stage?: Stage
}

export interface BundleImported extends Imported {
  /** Whose signature was checked and is trusted. */
  readonly signer: Manifest['signer']
  /** Files that were kept although they do not match. */
  readonly mismatches: readonly Mismatch[]
  readonly notices: readonly string[]
}

export interface BundleDeleted {
  readonly deleted: string
  readonly mismatches: readonly Mismatch[]
}

/** Files of a bundle are not what its manifest says; `files` are those. */
export class BundleMismatch extends AdytonError {
  readonly files: readonly Mismatch[]

  constructor(path: string, files: readonly Mismatch[]) {
    super('file-corrupt', `${path} does not hold what it says: ${mismatchText(files)}`, {
      advice:
        "Get the bundle again; or pass '--on-mismatch keep' to import it marked as unverified, '--on-mismatch delete' to delete it.",
    })
    this.files = files
  }
}

function mismatchText(files: readonly Mismatch[]): string {
  return files
    .map(({ path, problem }) => (problem === 'missing' ? `${path} is missing` : `${path} has ${problem}`))
    .join('; ')
}

/** Imports a bundle: all of it, or nothing. */
export async function importBundle(
  zoo: Zoo,
  source: string,
  options: BundleImportOptions = {},
): Promise<BundleImported | BundleDeleted> {
  const path = resolve(source)
  const { onMismatch = 'cancel', trust = 'ask' } = options
  return await zoo.files.staging(async (staging) => {
    const { contents, mismatches } = await withContents(path, async (contents) => {
      // Early, since reading may take long; a bundle that does not match is kept or deleted whoever signed it.
      if (contents.signer !== undefined && onMismatch === 'cancel') checkSigner(zoo, contents.signer, trust)
      return { contents, mismatches: await contents.check(staging) }
    })
    if (mismatches.length > 0 && onMismatch === 'cancel') throw new BundleMismatch(path, mismatches)
    if (mismatches.length > 0 && onMismatch === 'delete') {
      // Its manifest was read, so this is a bundle and not just any file.
      await rm(path)
      return { deleted: path, mismatches }
    }
    const model = await readStaged(staging).catch((error: unknown) => {
      throw told(error, staging, path)
    })
    const files = new Map<Role, Staged>()
    for (const role of ROLES) {
      const file = join(staging, FILE_NAMES[role])
      if (existsSync(file)) files.set(role, await zoo.files.stage(file))
    }
    return insert(zoo, path, { contents, mismatches, model, files, trust, options })
  })
}

interface Read {
  readonly contents: Contents
  readonly mismatches: readonly Mismatch[]
  readonly model: StagedModel
  readonly files: ReadonlyMap<Role, Staged>
  readonly trust: Trust
  readonly options: BundleImportOptions
}

function insert(zoo: Zoo, path: string, { contents, mismatches, model, files, trust, options }: Read): BundleImported {
  const { manifest } = contents
  const { card, counts, recipe } = model
  const at = Date.now()
  const verified = mismatches.length === 0
  const signer = verified ? contents.signer : undefined
  const { measurements, corrected } = withCounts(manifest.measurements, counts, at)
  const notices = noticesOf(zoo, contents, mismatches, corrected)
  const { name, created, tags, intendedUse, baseModel, limits } = manifest
  const given: NewVersion = {
    ...(options.versionOf === undefined ? {} : { versionOf: options.versionOf }),
    ...(recipe === undefined ? {} : { recipe }),
    ...(signer === undefined || contents.signature === undefined ? {} : { signature: contents.signature }),
    ...{ stage: options.stage ?? manifest.stage, card, counts, files, source: path, at, created, name, measurements },
    tags: verified ? tags : [...tags, UNVERIFIED],
    about: { intendedUse, baseModel, limits: verified ? limits : noted(limits, mismatches) },
    origins: manifest.lineage.map((origin) => ({
      ...origin,
      recipe: origin.recipe === null ? null : recipeOf(origin.recipe),
    })),
  }
  const { id, number } = zoo.write(() => {
    if (signer !== undefined) {
      checkSigner(zoo, signer, trust)
      rememberSigner(zoo, signer, at)
    }
    return insertVersion(zoo, given)
  })
  return {
    ...{ id, version: number, name: card.name, ...counts },
    ...{ signer: signer === undefined ? null : manifest.signer, mismatches, notices },
  }
}

/** Counts are what the network has, not what a bundle says that it has. */
function withCounts(
  given: readonly Measurement[],
  counts: Counts,
  at: number,
): { measurements: Measurement[]; corrected: string[] } {
  const measurements = [...given]
  const corrected: string[] = []
  for (const what of COUNTS) {
    const ofKind = given.filter((one) => one.what === what).toSorted((a, b) => a.at - b.at)
    if (ofKind.at(-1)?.value === counts[what]) continue
    if (ofKind.length > 0) corrected.push(what)
    const kept = measurements.filter((one) => one.what !== what)
    const counted = { what, value: counts[what], unit: '', dataset: null, images: null, machine: null, at }
    measurements.splice(0, measurements.length, ...kept, counted)
  }
  return { measurements, corrected }
}

function noted(limits: string | null, mismatches: readonly Mismatch[]): string {
  const note = `Imported from a bundle whose checksums did not fit: ${mismatchText(mismatches)}.`
  return limits === null ? note : `${limits}\n${note}`
}

function noticesOf(zoo: Zoo, contents: Contents, mismatches: readonly Mismatch[], corrected: string[]): string[] {
  const { signer } = contents
  const notices: string[] = []
  if (mismatches.length > 0) notices.push(`kept as '${UNVERIFIED}': ${mismatchText(mismatches)}`)
  else if (signer === undefined) notices.push('the bundle is not signed: nothing says who made it')
  else {
    const known = knownName(zoo, signer.fingerprint)
    const who = `'${signer.name}' (${formatFingerprint(signer.fingerprint)})`
    if (known === undefined) notices.push(`${who} is trusted from now on`)
    else if (known !== signer.name) notices.push(`${who} was known as '${known}' so far`)
  }
  if (corrected.length > 0) notices.push(`the bundle gave other counts than its network has: ${corrected.join(', ')}`)
  return notices
}

/** An error about the copy, told about the bundle. */
function told(error: unknown, staging: string, path: string): unknown {
  if (!(error instanceof AdytonError)) return error
  return new AdytonError(error.code, error.message.replaceAll(staging, path), {
    ...(error.advice === undefined ? {} : { advice: error.advice }),
    cause: error,
  })
}

export interface BundleInspection {
  readonly path: string
  readonly manifest: Manifest
  /** Null for a bundle that is not signed. A wrong signature is an error. */
  readonly signer: { readonly name: string; readonly fingerprint: string; readonly standing: Standing } | null
  /** Files that are not what the manifest says. */
  readonly mismatches: readonly Mismatch[]
}

/** What is in a bundle; every checksum is compared, nothing is imported. */
export async function inspectBundle(zoo: Zoo, source: string): Promise<BundleInspection> {
  const path = resolve(source)
  return await withContents(path, async ({ manifest, signer, check }) => ({
    path,
    manifest,
    signer:
      signer === undefined
        ? null
        : { name: signer.name, fingerprint: signer.fingerprint, standing: standingOf(zoo, signer) },
    mismatches: await check(),
  }))
}
