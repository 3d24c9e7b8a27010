/**
 * The first messages: versions, the digest of the public plan, a salted commitment to the weights, and the plan.
 * Any disagreement is refused by name on both sides.
 */
import { createHash, randomBytes } from 'node:crypto'
import * as v from 'valibot'
import { AdytonError } from '../errors/errors.ts'
import type { LoweredWeights } from '../network/plan.ts'

/** Version of the messages; both ends must speak the same. */
export const PROTOCOL_VERSION = 2
/** Bounds on what is allocated for a peer before anything is negotiated. */
export const MAX_HELLO_BYTES = 64 * 1024
export const MAX_PLAN_BYTES = 64 * 1024 * 1024

const hex = (bytes: number) => v.pipe(v.string(), v.regex(new RegExp(`^[0-9a-f]{${2 * bytes}}$`)))
/** 16 fresh random bytes: no two greetings are alike, so neither are the ids of two sessions. */
const nonce = hex(16)
const shortText = v.pipe(v.string(), v.maxLength(200))
/** A server offers no more models than this. */
export const MAX_MODELS = 16

export const clientHelloSchema = v.strictObject({
  protocol: v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(65535)),
  software: shortText,
  nonce,
  /** Id of the model that the client wants; null for the server's first one. */
  model: v.nullable(shortText),
  /** Digest of the plan that the client expects or already holds; null to accept the server's. */
  planDigest: v.nullable(hex(32)),
  /** True when the client holds that plan already, so that it need not be sent. */
  havePlan: v.boolean(),
})
export type ClientHello = v.InferOutput<typeof clientHelloSchema>

export const serverHelloSchema = v.strictObject({
  protocol: v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(65535)),
  software: shortText,
  nonce,
  /** Every model that is offered; the rest of this message is of the one that the client wants. */
  models: v.pipe(
    v.array(v.strictObject({ id: shortText, name: shortText, dataset: shortText })),
    v.minLength(1),
    v.maxLength(MAX_MODELS),
  ),
  planDigest: hex(32),
  planBytes: v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(MAX_PLAN_BYTES)),
  /** SHA-256 of a secret salt and the integer weights: fixed for a model, and no test of a guess. */
  commitment: hex(32),
  /** What a client needs to prepare an image and to name the answer. */
  card: v.strictObject({
    id: shortText,
    name: shortText,
    dataset: shortText,
    classNames: v.pipe(v.array(shortText), v.maxLength(100_000)),
    preprocessing: v.strictObject({
      kind: v.picklist(['digit', 'image']),
      mean: v.pipe(v.array(v.pipe(v.number(), v.finite())), v.maxLength(16)),
      std: v.pipe(v.array(v.pipe(v.number(), v.finite(), v.gtValue(0))), v.maxLength(16)),
    }),
  }),
})
export type ServerHello = v.InferOutput<typeof serverHelloSchema>
/** The public part of a model's card. */
export type PublicCard = ServerHello['card']
/** A model of a server's list. */
export type OfferedModel = ServerHello['models'][number]

/** Parses a hello; anything but the schema is 'payload-invalid'. */
export function parseHello<T>(schema: v.GenericSchema<unknown, T>, payload: Uint8Array, who: string): T {
  let raw: unknown
  try {
    raw = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(payload))
  } catch (error) {
    throw new AdytonError('payload-invalid', `the ${who}'s greeting is not JSON`, { cause: error })
  }
  const result = v.safeParse(schema, raw)
  if (!result.success) {
    const [issue] = result.issues
    throw new AdytonError(
      'payload-invalid',
      `the ${who}'s greeting is malformed at ${v.getDotPath(issue) ?? 'its top'}: ${issue.message}`,
    )
  }
  return result.output
}

export function encodeHello(hello: ClientHello | ServerHello): Uint8Array {
  return new TextEncoder().encode(JSON.stringify(hello))
}

/** The nonce of a greeting. */
export function freshNonce(): string {
  return randomBytes(16).toString('hex')
}

/** Id of a session for the base OT: binds its keys to both greetings, and is new in every session. */
export function sessionId(clientHello: Uint8Array, serverHello: Uint8Array): Uint8Array {
  const hash = createHash('sha256').update('adyton/1 session')
  for (const hello of [clientHello, serverHello]) hash.update(`\n${hello.length}\n`).update(hello)
  return new Uint8Array(hash.digest())
}

/** Refuses another protocol version by name. */
export function checkVersion(theirs: number, who: 'server' | 'client'): void {
  if (theirs === PROTOCOL_VERSION) return
  throw new AdytonError(
    'version-mismatch',
    `the ${who} speaks protocol version ${theirs}, this program speaks version ${PROTOCOL_VERSION}`,
    {
      advice: `Install the same release on both machines; the ${theirs < PROTOCOL_VERSION ? who : 'other'} side is older.`,
    },
  )
}

/** A salt for {@link commitWeights}; kept with the server's store so that packages outlive a restart. */
export function freshSalt(): Uint8Array {
  return new Uint8Array(randomBytes(32))
}

/** Hiding commitment to the integer weights and biases: SHA-256 over a 32-byte salt and every tensor by name. */
export function commitWeights(salt: Uint8Array, secret: LoweredWeights): string {
  const hash = createHash('sha256').update('adyton/1 weights').update(salt)
  for (const tensors of [secret.weights, secret.biases]) {
    for (const name of [...tensors.keys()].sort()) {
      const data = tensors.get(name) as Int32Array | Float64Array
      hash.update(`\n${name} ${data.length}\n`)
      hash.update(new Uint8Array(data.buffer, data.byteOffset, data.byteLength))
    }
  }
  return hash.digest('hex')
}
