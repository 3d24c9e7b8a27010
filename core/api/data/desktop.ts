/** What a desktop window asks of the shell around it, beside the host's contract. Messages are checked on both sides. */
import * as v from 'valibot'

const title = v.pipe(v.string(), v.maxLength(200))
const name = v.pipe(v.string(), v.minLength(1), v.maxLength(200))

/** Files that one event hands over. */
export const MAX_OPENED = 100

/** No file that a window makes itself, such as a drawing or a chart, is larger. */
export const MAX_MADE_BYTES = 64 * 2 ** 20
const made = v.pipe(
  v.instance(Uint8Array),
  v.check(({ byteLength }) => byteLength <= MAX_MADE_BYTES, 'the file is too large'),
)

export const DesktopRequestSchema = v.variant('what', [
  v.strictObject({
    what: v.literal('chooseFiles'),
    title,
    extensions: v.pipe(v.array(v.pipe(v.string(), v.regex(/^[a-z0-9]{1,16}$/))), v.maxLength(32)),
    multiple: v.boolean(),
  }),
  v.strictObject({ what: v.literal('chooseFolder'), title }),
  /** Where to save; the window then names the path to an operation. */
  v.strictObject({ what: v.literal('chooseSave'), name }),
  /** Keeps a file made in the window until the program ends. */
  v.strictObject({ what: v.literal('putFile'), name, content: made }),
  v.strictObject({ what: v.literal('saveFile'), name, content: made }),
  v.strictObject({
    what: v.literal('openExternal'),
    url: v.pipe(v.string(), v.maxLength(2000), v.url(), v.startsWith('https://')),
  }),
  v.strictObject({ what: v.literal('notify'), title, body: v.pipe(v.string(), v.maxLength(1000)) }),
])
export type DesktopRequest = v.InferOutput<typeof DesktopRequestSchema>

export const DesktopAnswerSchema = v.union([
  v.strictObject({ ok: v.literal(true), value: v.nullable(v.union([v.string(), v.array(v.string())])) }),
  v.strictObject({ ok: v.literal(false), code: v.string(), message: v.string(), advice: v.nullable(v.string()) }),
])
export type DesktopAnswer = v.InferOutput<typeof DesktopAnswerSchema>

/** Unasked: what the menu, the system or another start of the program wants of the window. */
export const DesktopEventSchema = v.variant('event', [
  /** Files that somebody opened with the program. */
  v.strictObject({ event: v.literal('open'), paths: v.pipe(v.array(v.string()), v.maxLength(MAX_OPENED)) }),
  /** An entry of the menu; the id of a command of the window's. */
  v.strictObject({ event: v.literal('command'), command: v.pipe(v.string(), v.maxLength(64)) }),
])
export type DesktopEvent = v.InferOutput<typeof DesktopEventSchema>

/** What the preload script puts into a window as `window.adyton`. */
export interface DesktopBridge {
  /** Sends a message of the host's contract. */
  readonly send: (request: unknown) => void
  /** Hears the host's replies; call once. */
  readonly onReply: (heard: (reply: unknown) => void) => void
  readonly onEvent: (heard: (event: unknown) => void) => void
  readonly ask: (request: DesktopRequest) => Promise<unknown>
  /** The path of a file that was dropped or picked; '' when it has none. */
  readonly pathOf: (file: File) => string
}
