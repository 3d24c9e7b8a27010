/** What a person has chosen for this installation. Every field has a default, so that an empty file is a good one. */
import * as v from 'valibot'
import { LINKS } from './link.ts'

const threads = v.nullable(v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(256)))
const bandwidth = v.pipe(v.number(), v.minValue(1000), v.maxValue(1e12))

export const THEMES = ['system', 'light', 'dark'] as const

/** The choices of core/kernels, which browsers cannot import; a test compares them. */
export const KERNEL_NAMES = [
  'reference',
  'native',
  'native:portable',
  'native:armv8',
  'native:avx2',
  'native:vaes256',
  'native:vaes512',
] as const

export const LinkSchema = v.strictObject({
  up: bandwidth,
  down: bandwidth,
  rttMs: v.pipe(v.number(), v.minValue(0), v.maxValue(60_000)),
})

const short = v.pipe(v.string(), v.maxLength(4096))

/** Choices that screens remember, such as the last model: small, and nothing depends on them. */
const ChoicesSchema = v.pipe(
  v.record(v.pipe(v.string(), v.maxLength(64)), v.union([v.string(), v.number(), v.boolean(), v.null()])),
  v.check((choices) => JSON.stringify(choices).length <= 16_384, 'all choices together are at most 16 KiB'),
)

const fields = {
  theme: v.picklist(THEMES),
  /** 'system' follows what the system prefers. */
  motion: v.picklist(['system', 'reduced']),
  /** HE worker threads of each party; null for what the machine offers. */
  threads: v.strictObject({ client: threads, server: threads }),
  /** Kernels to force; null for the best. */
  kernels: v.nullable(v.picklist(KERNEL_NAMES)),
  /** Folders of data sets that were used. */
  datasets: v.pipe(v.array(short), v.maxLength(100)),
  /** The network for predictions. */
  link: LinkSchema,
  choices: ChoicesSchema,
  /** Where an installed app looks for new versions; null for nowhere. */
  updateFeed: v.nullable(v.pipe(v.string(), v.maxLength(2000), v.url(), v.startsWith('https://'))),
}

export const SettingsSchema = v.strictObject(fields)
export type Settings = v.InferOutput<typeof SettingsSchema>

/** What is to change. Choices are added to those that are there; one of null is forgotten. */
export const SettingsChangeSchema = v.strictObject({
  theme: v.exactOptional(fields.theme),
  motion: v.exactOptional(fields.motion),
  threads: v.exactOptional(fields.threads),
  kernels: v.exactOptional(fields.kernels),
  datasets: v.exactOptional(fields.datasets),
  link: v.exactOptional(fields.link),
  choices: v.exactOptional(fields.choices),
  updateFeed: v.exactOptional(fields.updateFeed),
})
export type SettingsChange = v.InferOutput<typeof SettingsChangeSchema>

export const DEFAULT_SETTINGS: Settings = {
  theme: 'system',
  motion: 'system',
  threads: { client: null, server: null },
  kernels: null,
  datasets: [],
  link: LINKS.wan,
  choices: {},
  updateFeed: null,
}

/**
 * Settings from what a file holds, with defaults for what is missing or no longer understood, whose names `ignored`
 * lists.
 */
export function readSettings(stored: unknown): { settings: Settings; ignored: string[] } {
  const given = typeof stored === 'object' && stored !== null ? (stored as Record<string, unknown>) : {}
  const known: Record<string, unknown> = { ...DEFAULT_SETTINGS }
  const ignored: string[] = []
  for (const [name, value] of Object.entries(given)) {
    const schema = Object.hasOwn(fields, name) ? fields[name as keyof typeof fields] : undefined
    const checked = schema === undefined ? undefined : v.safeParse(schema, value)
    if (checked?.success === true) known[name] = checked.output
    else ignored.push(name)
  }
  return { settings: v.parse(SettingsSchema, known), ignored }
}

/** Settings after a change. */
export function changeSettings(settings: Settings, { choices = {}, ...rest }: SettingsChange): Settings {
  const all = Object.entries({ ...settings.choices, ...choices }).filter(([, value]) => value !== null)
  return { ...settings, ...rest, choices: Object.fromEntries(all) }
}
