/** What a package says about itself: `manifest.json` in its folder. */
import { createHash } from 'node:crypto'
import * as v from 'valibot'
import { AdytonError } from '../../errors/errors.ts'

/** Version of the layout of a package on disk. */
const FORMAT = 2
export const MANIFEST_FILE = 'manifest.json'

const hex = (digits: number) => v.pipe(v.string(), v.regex(new RegExp(`^[0-9a-f]{${digits}}$`)))
const count = v.pipe(v.number(), v.safeInteger(), v.minValue(0))

const metaSchema = v.strictObject({
  /** 32 lower-case hex digits, the same at both parties. */
  id: hex(32),
  role: v.picklist(['client', 'server']),
  /** Fingerprint of the other party's certificate, 64 hex digits. */
  peer: hex(64),
  /** SHA-256 of the plan, 64 hex digits. */
  planDigest: hex(64),
  /** Salted commitment to the weights, 64 hex digits. */
  commitment: hex(64),
  /** Version of the protocol that made it. */
  protocol: count,
  /** ISO 8601, UTC. */
  created: v.pipe(v.string(), v.isoTimestamp()),
})

const manifestSchema = v.strictObject({
  format: v.literal(FORMAT),
  meta: metaSchema,
  sections: v.record(v.string(), v.strictObject({ bytes: count, checksum: hex(32) })),
})

/** What an offline package is for. A session compares all of it before it takes the package. */
export type PackageMeta = Readonly<v.InferOutput<typeof metaSchema>>

export interface Section {
  readonly bytes: number
  /** Of core/protocol/store/checksum.ts, 32 hex digits. */
  readonly checksum: string
}

export interface Manifest {
  readonly meta: PackageMeta
  readonly sections: Readonly<Record<string, Section>>
}

/** Throws a RangeError for a description that the store would not read back. */
export function requireMeta(meta: PackageMeta): void {
  const result = v.safeParse(metaSchema, meta)
  if (!result.success) throw new RangeError(`package description: ${issueText(result.issues[0])}`)
}

/** Section names are file names, so they are short and plain. */
export function requireSectionName(name: string): void {
  if (!/^[a-z0-9-]{1,40}$/.test(name)) throw new RangeError(`not a section name: ${JSON.stringify(name)}`)
}

export function sectionFile(name: string): string {
  return `${name}.bin`
}

/** The manifest's file: JSON with a SHA-256 of its own, so that a flipped digit shows. */
export function encodeManifest(manifest: Manifest): string {
  const body = { format: FORMAT, meta: manifest.meta, sections: manifest.sections }
  return `${JSON.stringify({ manifest: body, sha256: digest(body) }, undefined, 2)}\n`
}

/** Reads what {@link encodeManifest} wrote; package-corrupt for anything else. */
export function decodeManifest(id: string, text: string): Manifest {
  let file: unknown
  try {
    file = JSON.parse(text)
  } catch (cause) {
    throw corrupt(id, `${MANIFEST_FILE} is not JSON`, cause)
  }
  const outer = v.safeParse(v.strictObject({ manifest: v.unknown(), sha256: v.string() }), file)
  if (!outer.success) throw corrupt(id, `${MANIFEST_FILE}: ${issueText(outer.issues[0])}`)
  if (digest(outer.output.manifest) !== outer.output.sha256) {
    throw corrupt(id, `${MANIFEST_FILE} does not match its checksum`)
  }
  const found = v.safeParse(v.object({ format: v.number() }), outer.output.manifest)
  if (found.success && found.output.format !== FORMAT) {
    throw new AdytonError(
      'version-mismatch',
      `package ${id} was made by another release (format ${found.output.format})`,
      { advice: 'Use it with that release, or purge it and prepare a new one.' },
    )
  }
  const inner = v.safeParse(manifestSchema, outer.output.manifest)
  if (!inner.success) throw corrupt(id, `${MANIFEST_FILE}: ${issueText(inner.issues[0])}`)
  const { meta, sections } = inner.output
  if (meta.id !== id) throw corrupt(id, `${MANIFEST_FILE} is that of package ${meta.id}`)
  return { meta, sections }
}

export function corrupt(id: string, what: string, cause?: unknown): AdytonError {
  return new AdytonError('package-corrupt', `offline package ${id} is damaged: ${what}`, {
    advice: 'It cannot be used any more; prepare a new one. If this repeats, check the disk.',
    cause,
  })
}

function digest(body: unknown): string {
  return createHash('sha256').update(JSON.stringify(body)).digest('hex')
}

function issueText(issue: v.BaseIssue<unknown>): string {
  const path = v.getDotPath(issue)
  return path === null ? issue.message : `${path}: ${issue.message}`
}
