/** What a hostile or broken peer may do to one frame of a stream, drawn from a seeded stream so that it can be repeated. */
import { FRAME_VERSION, HEADER_BYTES, MAX_PAYLOAD_BYTES } from '../../core/channel/frames.ts'
import { MESSAGES, NO_STEP } from '../../core/channel/messages.ts'
import type { Prg } from '../../core/ring/prg.ts'

/** A frame before it has its place in a stream. */
export interface LooseFrame {
  readonly type: number
  readonly step: number
  readonly payload: Uint8Array
}

/** What takes a frame's place. */
export interface Mutated {
  readonly kind: string
  /** Bytes to feed in place of the frame. */
  readonly bytes: readonly Uint8Array[]
  /** Genuine frames that these bytes stand for: 1, or 2 when the next one is part of it. */
  readonly replaces: 1 | 2
  /** Added to the sequence numbers of the genuine frames that follow. */
  readonly shift: number
  /** The stream ends here. */
  readonly close: boolean
}

/** Random numbers for choices; not for anything secret. */
export class Dice {
  readonly #prg: Prg
  constructor(prg: Prg) {
    this.#prg = prg
  }
  bytes(count: number): Uint8Array {
    return this.#prg.bytes(count).slice()
  }
  /** An integer from 0 to n - 1. */
  below(n: number): number {
    const [a, b, c, d, e, f] = this.#prg.bytes(6)
    return Math.floor(((a + 256 * (b + 256 * (c + 256 * (d + 256 * (e + 256 * f))))) / 2 ** 48) * n)
  }
  pick<T>(items: readonly T[]): T {
    return items[this.below(items.length)]
  }
}

/** Header fields as they go out; any of them may be a lie. */
export function frameBytes(
  frame: LooseFrame,
  sequence: number,
  lies: { readonly version?: number; readonly length?: number } = {},
): Uint8Array {
  const bytes = new Uint8Array(HEADER_BYTES + frame.payload.length)
  const view = new DataView(bytes.buffer)
  view.setUint8(0, lies.version ?? FRAME_VERSION)
  view.setUint8(1, frame.type)
  view.setUint16(2, frame.step, true)
  view.setUint32(4, sequence, true)
  view.setUint32(8, lies.length ?? frame.payload.length, true)
  bytes.set(frame.payload, HEADER_BYTES)
  return bytes
}

function flip(bytes: Uint8Array, from: number, to: number, dice: Dice): Uint8Array {
  const out = bytes.slice()
  for (let n = dice.pick([1, 1, 1, 2, 3, 8]); n > 0; n--) out[from + dice.below(to - from)] ^= 1 << dice.below(8)
  return out
}

/** A payload spoilt and still of its length. */
export function spoilt(payload: Uint8Array, dice: Dice): Uint8Array {
  switch (dice.below(6)) {
    case 0:
      return dice.bytes(payload.length)
    case 1:
      return new Uint8Array(payload.length).fill(dice.pick([0, 0xff]))
    case 2: {
      // A stretch overwritten.
      const out = payload.slice()
      const start = dice.below(payload.length)
      return (out.set(dice.bytes(1 + dice.below(payload.length - start)), start), out)
    }
    default:
      return flip(payload, 0, payload.length, dice)
  }
}

type Kind = (
  frame: LooseFrame,
  sequence: number,
  dice: Dice,
  next: () => LooseFrame | undefined,
) => Partial<Mutated> & {
  readonly bytes: readonly Uint8Array[]
}

/** Mutations that framing alone has to see. */
const FRAMING: Readonly<Record<string, Kind>> = {
  'bits of the header flipped': (f, seq, dice) => ({ bytes: [flip(frameBytes(f, seq), 0, HEADER_BYTES, dice)] }),
  'payload cut, length true': (f, seq, dice) => ({
    bytes: [frameBytes({ ...f, payload: f.payload.subarray(0, dice.below(f.payload.length)) }, seq)],
  }),
  'stream cut inside the frame': (f, seq, dice) => {
    const whole = frameBytes(f, seq)
    return { bytes: [whole.subarray(0, dice.below(whole.length))], close: true }
  },
  'payload extended, length true': (f, seq, dice) => {
    const payload = new Uint8Array(Buffer.concat([f.payload, dice.bytes(1 + dice.below(64))]))
    return { bytes: [frameBytes({ ...f, payload }, seq)] }
  },
  'bytes after the frame': (f, seq, dice) => ({ bytes: [frameBytes(f, seq), dice.bytes(1 + dice.below(64))] }),
  'another type': (f, seq, dice) => ({ bytes: [frameBytes({ ...f, type: dice.below(256) }, seq)] }),
  'another step': (f, seq, dice) => ({
    bytes: [frameBytes({ ...f, step: dice.pick([0, 1, 2, NO_STEP, dice.below(65_536)]) }, seq)],
  }),
  'another sequence number': (f, seq, dice) => ({
    bytes: [frameBytes(f, dice.pick([seq + 1, seq ^ 1, 0xffff_ffff, dice.below(2 ** 32)]))],
  }),
  'another version': (f, seq, dice) => ({ bytes: [frameBytes(f, seq, { version: dice.below(256) })] }),
  'oversized length declared': (f, seq, dice) => {
    const over = MAX_PAYLOAD_BYTES - f.payload.length
    const length = dice.pick([
      f.payload.length + 1 + dice.below(over),
      3 * 2 ** 30,
      MAX_PAYLOAD_BYTES,
      f.payload.length + 1,
    ])
    return { bytes: [frameBytes(f, seq, { length })] }
  },
  'smaller length declared': (f, seq, dice) => ({
    bytes: [frameBytes(f, seq, { length: dice.below(f.payload.length) })],
  }),
  'sent twice': (f, seq) => ({ bytes: [frameBytes(f, seq), frameBytes(f, seq)] }),
  'sent twice, renumbered': (f, seq) => ({ bytes: [frameBytes(f, seq), frameBytes(f, seq + 1)], shift: 1 }),
  'after the next one': (f, seq, _, next) => {
    const other = next()
    return other === undefined
      ? { bytes: [], close: true }
      : { bytes: [frameBytes(other, seq + 1), frameBytes(f, seq)], replaces: 2 }
  },
  'after the next one, renumbered': (f, seq, _, next) => {
    const other = next()
    return other === undefined
      ? { bytes: [], close: true }
      : { bytes: [frameBytes(other, seq), frameBytes(f, seq + 1)], replaces: 2 }
  },
  'left out': () => ({ bytes: [] }),
  'left out, renumbered': () => ({ bytes: [], shift: -1 }),
  'left out, connection closed': () => ({ bytes: [], close: true }),
  'random bytes for all that follows': (_f, _seq, dice) => ({ bytes: [dice.bytes(1 + dice.below(200))], close: true }),
  'an abort of random bytes': (_f, seq, dice) => {
    const payload = dice.bytes(dice.below(1100))
    return { bytes: [frameBytes({ type: MESSAGES.abort, step: NO_STEP, payload }, seq)] }
  },
  'a close': (_f, seq) => ({
    bytes: [frameBytes({ type: MESSAGES.close, step: NO_STEP, payload: new Uint8Array(0) }, seq)],
  }),
}

const FRAMING_KINDS = Object.entries(FRAMING)

/** Another payload of whatever length, for states whose payload has a structure of its own. */
export type Rewrite = (payload: Uint8Array, dice: Dice) => Uint8Array

/**
 * One mutation of a frame. `payloadShare` of them, in percent, keep the header true and spoil the payload: they are the
 * ones that reach what parses it.
 */
export function mutate(
  frame: LooseFrame,
  sequence: number,
  dice: Dice,
  next: () => LooseFrame | undefined,
  payloadShare: number,
  rewrite?: Rewrite,
): Mutated {
  const whole = { replaces: 1, shift: 0, close: false } as const
  if (frame.payload.length > 0 && dice.below(100) < payloadShare) {
    const written = rewrite !== undefined && dice.below(2) === 0
    const payload = written ? rewrite(frame.payload, dice) : spoilt(frame.payload, dice)
    const kind = written ? 'payload rewritten' : 'payload spoilt'
    return { ...whole, kind, bytes: [frameBytes({ ...frame, payload }, sequence)] }
  }
  const [kind, make] = dice.pick(FRAMING_KINDS)
  return { ...whole, ...make(frame, sequence, dice, next), kind }
}

const EDGES: readonly unknown[] = [
  ...[
    0,
    -1,
    1,
    2,
    3,
    7,
    8,
    31,
    32,
    33,
    58,
    59,
    60,
    64,
    255,
    1024,
    8192,
    65_535,
    65_536,
    2 ** 31,
    2 ** 32,
    2 ** 53,
    2 ** 53 + 2,
  ],
  ...[
    1e308,
    -1e308,
    0.5,
    -0,
    null,
    true,
    false,
    '',
    'all',
    'x'.repeat(300),
    '\u0000',
    '../x',
    [],
    {},
    [0],
    '__proto__',
  ],
]

/** JSON with one or two places changed: a value, a missing or doubled entry, an extra key. */
export const rewriteJson: Rewrite = (payload, dice) => {
  const json: unknown = JSON.parse(new TextDecoder().decode(payload))
  for (let n = dice.pick([1, 1, 2]); n > 0; n--) {
    let at: unknown = json
    for (;;) {
      if (typeof at !== 'object' || at === null) break
      const keys = Object.keys(at)
      if (keys.length === 0) break
      const key = dice.pick(keys)
      const holder = at as Record<string, unknown>
      const inner = holder[key]
      if (typeof inner === 'object' && inner !== null && dice.below(8) > 0) {
        at = inner
        continue
      }
      const what = dice.below(8)
      if (what === 0 && !Array.isArray(at)) delete holder[key]
      else if (what === 1 && Array.isArray(at)) at.splice(Number(key), 1)
      else if (what === 2 && Array.isArray(at)) at.push(inner)
      else if (what === 3 && !Array.isArray(at)) holder[dice.pick(['extra', 'constructor', 'length'])] = inner
      else if (typeof inner === 'number' && what < 7) holder[key] = inner + dice.pick([1, -1, 2, -2, inner, 2 ** 20])
      else holder[key] = dice.pick(EDGES)
      break
    }
  }
  return new TextEncoder().encode(JSON.stringify(json))
}
