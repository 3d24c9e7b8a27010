/**
 * What a bundle says of itself: manifest.json, its first file. Nothing in it depends on the catalog that wrote it, and its
 * bytes are canonical, so that a bundle that was imported leaves the next catalog as it came.
 */
import * as v from 'valibot'
import { AdytonError } from '../../errors/errors.ts'
import { FILE_NAMES } from '../file-names.ts'
import { ROLES, type Role } from '../insert.ts'
import { STAGES } from '../models.ts'
import { MAX_RECIPE_BYTES } from '../staged.ts'
import { checkTag } from '../tags.ts'

export const MANIFEST = 'manifest.json'
export const SIGNATURE = 'signature.json'
const FORMAT = 'adyton-bundle'
const FORMAT_VERSION = 1

export const MAX_MANIFEST_BYTES = 16 * 2 ** 20
/** What a model folder's reader takes; so all of a bundle stays below 4 GiB, and zip64 is never needed. */
export const MAX_FILE_BYTES: Readonly<Record<Role, number>> = {
  weights: 2 ** 31 - 1,
  graph: 16 * 2 ** 20,
  card: 16 * 2 ** 20,
  recipe: MAX_RECIPE_BYTES,
  calibration: 16 * 2 ** 20,
}
const REQUIRED: readonly Role[] = ['weights', 'graph', 'card']

const text = (max: number) => v.pipe(v.string(), v.maxLength(max))
const whole = v.pipe(v.number(), v.safeInteger(), v.minValue(0))
/** ms since 1970, as far as a Date goes. */
const time = v.pipe(v.number(), v.safeInteger(), v.minValue(-8.64e15), v.maxValue(8.64e15))
const hex = v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/, 'not 64 hexadecimal digits'))

const FileSchema = v.strictObject({
  role: v.picklist(ROLES),
  path: v.string(),
  size: whole,
  sha256: hex,
})

const OriginSchema = v.strictObject({
  relation: v.picklist(['trained-from', 'linearised-from']),
  source: text(4096),
  /** The recipe's text. */
  recipe: v.nullable(v.pipe(text(MAX_RECIPE_BYTES), v.check(isJson, 'not valid JSON'))),
})

const MeasurementSchema = v.strictObject({
  what: v.pipe(text(128), v.minLength(1)),
  value: v.pipe(v.number(), v.finite()),
  unit: text(64),
  dataset: v.nullable(text(256)),
  images: v.nullable(whole),
  machine: v.nullable(text(512)),
  at: time,
})

/** Without control characters and what only changes how text runs: a name is what people recognise a signer by. */
export const SignerNameSchema = v.pipe(
  v.string(),
  v.minLength(1),
  v.maxLength(100),
  v.check((name) => name === name.trim(), 'begins or ends with a space'),
  v.regex(/^[^\p{C}\p{Zl}\p{Zp}]*$/u, 'has characters that cannot be seen'),
)

export const ManifestSchema = v.strictObject({
  format: v.literal(FORMAT),
  version: v.literal(FORMAT_VERSION),
  program: v.literal('Adyton'),
  name: v.pipe(text(128), v.minLength(1)),
  created: time,
  stage: v.picklist(STAGES),
  tags: v.pipe(
    v.array(v.pipe(v.string(), v.check(isTag, 'not a tag'))),
    v.maxLength(1000),
    v.check((tags) => new Set(tags).size === tags.length, 'a tag twice'),
  ),
  intendedUse: v.nullable(text(20_000)),
  baseModel: v.nullable(text(20_000)),
  limits: v.nullable(text(20_000)),
  files: v.pipe(
    v.array(FileSchema),
    v.maxLength(ROLES.length),
    v.check((files) => areFiles(files), 'not the files of a model'),
  ),
  lineage: v.pipe(v.array(OriginSchema), v.maxLength(1000)),
  measurements: v.pipe(v.array(MeasurementSchema), v.maxLength(10_000)),
  /** Whose signature.json comes with it. In here, so that a signature cannot be taken away unnoticed. */
  signer: v.nullable(v.strictObject({ name: SignerNameSchema, fingerprint: hex })),
})

export type Manifest = v.InferOutput<typeof ManifestSchema>

function isTag(tag: string): boolean {
  try {
    return checkTag(tag) === tag
  } catch {
    return false
  }
}

function isJson(json: string): boolean {
  try {
    JSON.parse(json)
    return true
  } catch {
    return false
  }
}

/** In the order of the roles, each once, under their own names, within their sizes, with all that a model needs. */
function areFiles(files: readonly v.InferOutput<typeof FileSchema>[]): boolean {
  const places = files.map(({ role }) => ROLES.indexOf(role))
  return (
    places.every((place, i) => i === 0 || place > places[i - 1]) &&
    files.every(({ role, path, size }) => path === FILE_NAMES[role] && size <= MAX_FILE_BYTES[role]) &&
    REQUIRED.every((role) => files.some((file) => file.role === role))
  )
}

/** JSON of one form only: keys sorted, indented by two, a line break at the end. */
export function canonicalJson(value: unknown): string {
  return `${JSON.stringify(sorted(value), undefined, 2)}\n`
}

function sorted(value: unknown): unknown {
  if (value === null || typeof value !== 'object') return value
  if (Array.isArray(value)) return value.map(sorted)
  // By code unit, whatever the locale.
  const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1))
  return Object.fromEntries(entries.map(([key, one]) => [key, sorted(one)]))
}

/** The bytes of a manifest; throws 'file-unsupported' for a model that no bundle can hold. */
export function printManifest(manifest: Manifest): Buffer {
  const result = v.safeParse(ManifestSchema, manifest, { abortEarly: true })
  const bytes = Buffer.from(canonicalJson(manifest))
  if (result.success && bytes.length <= MAX_MANIFEST_BYTES) return bytes
  const why = result.success ? `its manifest would have ${bytes.length} bytes` : issueText(result.issues[0])
  throw new AdytonError('file-unsupported', `the model cannot be put into a bundle: ${why}`, {
    advice: 'Export it as a folder.',
  })
}

/** Throws 'file-unsupported' for another version of the format, 'file-corrupt' for what is no manifest. */
export function parseManifest(bytes: Uint8Array): Manifest {
  const json = parseJson(bytes, MANIFEST)
  const { format, version } = (json ?? {}) as { format?: unknown; version?: unknown }
  if (format === FORMAT && Number.isSafeInteger(version) && version !== FORMAT_VERSION) {
    throw new AdytonError(
      'file-unsupported',
      `the bundle has version ${String(version)} of the format; this program reads ${FORMAT_VERSION}`,
      { advice: 'Update Adyton, or ask for a bundle that an older version wrote.' },
    )
  }
  return checkCanonical(ManifestSchema, json, bytes, MANIFEST)
}

/** JSON in UTF-8. */
export function parseJson(bytes: Uint8Array, file: string): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes))
  } catch (cause) {
    throw new AdytonError('file-corrupt', `${file} is not valid JSON in UTF-8`, { cause })
  }
}

/** What a schema takes, and in the only form that this program writes it in: nothing twice, nothing beside. */
export function checkCanonical<T>(
  schema: v.GenericSchema<unknown, T>,
  json: unknown,
  bytes: Uint8Array,
  file: string,
): T {
  const result = v.safeParse(schema, json, { abortEarly: true })
  if (!result.success) throw new AdytonError('file-corrupt', `${file}: ${issueText(result.issues[0])}`)
  if (Buffer.from(canonicalJson(result.output)).equals(bytes)) return result.output
  throw new AdytonError('file-corrupt', `${file} is not written as Adyton writes it`)
}

function issueText(issue: v.BaseIssue<unknown>): string {
  return `${v.getDotPath(issue) ?? '(root)'}: ${issue.message}`
}
