/**
 * The client's side of a connection: greets, checks the plan, makes keys; then packages and inferences.
 */
import { timingSafeEqual } from 'node:crypto'
import type { Channel } from '../../channel/channel.ts'
import { MESSAGES } from '../../channel/messages.ts'
import { AdytonError } from '../../errors/errors.ts'
import { checkParameters } from '../../he/parameters.ts'
import type { HePool } from '../../he/pool.ts'
import { checkTiling } from '../../he/tiling.ts'
import type { Kernels } from '../../kernels/interface.ts'
import { Ledger, type LedgerData } from '../../ledger/ledger.ts'
import { decodePlan, planDigest } from '../../network/plan-json.ts'
import type { Plan } from '../../network/plan.ts'
import { PAIRING_SERVER_BYTES, pairingClientFinish, pairingClientStart } from '../../ot/bootstrap.ts'
import {
  checkVersion,
  encodeHello,
  freshNonce,
  MAX_HELLO_BYTES,
  parseHello,
  PROTOCOL_VERSION,
  serverHelloSchema,
  sessionId,
  type OfferedModel,
  type PublicCard,
  type ServerHello,
} from '../hello.ts'
import { checkCircuits } from '../batches.ts'
import { abortWith } from '../failure.ts'
import { Link, place } from '../link.ts'
import { mismatch } from '../mismatch.ts'
import { checkPackage, packageMeta } from '../server/session.ts'
import { heOf } from '../sizes.ts'
import type { PackageStore } from '../store/store.ts'
import type { Witness } from '../witness.ts'
import type { ClientContext, Progress } from './context.ts'
import { prepare, type Prepared } from './offline.ts'
import { infer, takePackage, type Answer } from './online.ts'

export interface ClientSessionOptions {
  readonly channel: Channel
  readonly peerFingerprint: string
  readonly kernels: Kernels
  readonly he: HePool
  readonly store: PackageStore
  readonly software: string
  /** Id of the model that is wanted; the server's first one by default. */
  readonly model?: string | undefined
  /** SHA-256 of the plan that must be served, hexadecimal; undefined accepts what the server offers. */
  readonly expectedPlan?: string
  /** Hand package seeds to the caller, for a simulator; local mode only. */
  readonly revealSeeds?: boolean
  /** Is shown what this party holds; local mode only. */
  readonly witness?: Witness
  /** Account to keep, for a caller that watches it; its own by default. */
  readonly ledger?: Ledger
  readonly onProgress?: (done: Progress) => void
}

export class ClientSession {
  readonly plan: Plan
  readonly planDigest: string
  /** Salted commitment to the server's weights. */
  readonly commitment: string
  readonly card: PublicCard
  /** Every model of the server. */
  readonly models: readonly OfferedModel[]
  /** From the client's greeting to the server's, ms: a round trip and what little the server does for it. */
  readonly roundTripMs: number
  /** Account of the greeting, keys and base OT. */
  readonly setup: LedgerData
  readonly #context: ClientContext
  /** The removal of the package that was used last. */
  #removal = Promise.resolve()

  private constructor(
    context: ClientContext,
    hello: Pick<ServerHello, 'planDigest' | 'commitment' | 'card' | 'models'>,
    setup: LedgerData,
    roundTripMs: number,
  ) {
    this.#context = context
    this.plan = context.plan
    this.planDigest = hello.planDigest
    this.commitment = hello.commitment
    this.card = hello.card
    this.models = hello.models
    this.setup = setup
    this.roundTripMs = roundTripMs
  }

  /** Greets the server. Rejects with the reason, after telling the server, when anything does not fit. */
  static async open(options: ClientSessionOptions): Promise<ClientSession> {
    return await guarded(options.channel, () => ClientSession.#greet(options))
  }

  static async #greet(options: ClientSessionOptions): Promise<ClientSession> {
    const link = new Link(options.channel, options.ledger ?? new Ledger())
    const setup = place('setup')
    const ours = encodeHello({
      protocol: PROTOCOL_VERSION,
      software: options.software,
      nonce: freshNonce(),
      model: options.model ?? null,
      planDigest: options.expectedPlan ?? null,
      havePlan: false,
    })
    const greeted = performance.now()
    await link.send(setup, MESSAGES.clientHello, ours)
    const theirs = await link.receive(setup, MESSAGES.serverHello, { min: 1, max: MAX_HELLO_BYTES })
    const roundTripMs = performance.now() - greeted
    const hello = parseHello(serverHelloSchema, theirs, 'server')
    checkVersion(hello.protocol, 'server')
    if (options.expectedPlan !== undefined && options.expectedPlan !== hello.planDigest) {
      throw mismatch('model', 'the served model', hello.planDigest, 'the expected one', options.expectedPlan)
    }
    const planBytes = await link.receive(setup, MESSAGES.plan, hello.planBytes)
    const plan = decodePlan(planBytes)
    const digest = planDigest(plan)
    if (!timingSafeEqual(Buffer.from(digest, 'hex'), Buffer.from(hello.planDigest, 'hex'))) {
      throw mismatch('model', 'the plan that was sent', digest, 'the announced one', hello.planDigest)
    }
    checkHe(plan)
    checkCircuits(plan)
    const secretKeys = new Map<number, Uint8Array>()
    for (const parameters of plan.he) {
      const { publicKey, secretKey } = await link.work(setup, 'he', () => options.he.generateKeys(parameters))
      secretKeys.set(parameters.plainBits, secretKey)
      await link.send(setup, MESSAGES.hePublicKey, publicKey)
    }
    const { state, message } = await link.work(setup, 'ot', () => pairingClientStart(sessionId(ours, theirs)))
    await link.send(setup, MESSAGES.baseOtReceiver, message)
    const point = await link.receive(setup, MESSAGES.baseOtSender, PAIRING_SERVER_BYTES)
    const pairing = await link.work(setup, 'ot', () => pairingClientFinish(state, point))
    const context: ClientContext = {
      link,
      plan,
      kernels: options.kernels,
      he: options.he,
      store: options.store,
      pairing,
      secretKeys,
      revealSeeds: options.revealSeeds ?? false,
      witness: options.witness,
      progress: (done) => options.onProgress?.(done),
      packageMeta: (id) => packageMeta(id, 'client', options.peerFingerprint, hello),
      checkPackage: (meta) => checkPackage(meta, options.peerFingerprint, hello),
    }
    return new ClientSession(context, hello, link.ledger.take(), roundTripMs)
  }

  /** Runs the offline phase of one package; the account is of this package alone. */
  async prepare(): Promise<Prepared & { ledger: LedgerData }> {
    const { link } = this.#context
    await this.#removal
    link.ledger.take()
    const prepared = await guarded(link.channel, () => prepare(this.#context))
    return { ...prepared, ledger: link.ledger.take() }
  }

  /** Spends a package on one quantised image. */
  async infer(id: string, image: Float64Array): Promise<Answer & { ledger: LedgerData }> {
    const { link } = this.#context
    await this.#removal
    link.ledger.take()
    // What fails before the first byte, such as a package that was used, leaves the connection as it is.
    const reader = await takePackage(this.#context, id, image)
    try {
      const answer = await guarded(link.channel, () => infer(this.#context, reader, image))
      return { ...answer, ledger: link.ledger.take() }
    } finally {
      // The answer does not wait for it.
      this.#removal = reader.close()
    }
  }

  async close(): Promise<void> {
    await this.#removal
    await this.#context.link.channel.close()
  }
}

/** What a server may not choose freely: HE security and tilings that this program can encode. */
export function checkHe(plan: Plan): void {
  for (const parameters of plan.he) {
    try {
      checkParameters(parameters)
    } catch (cause) {
      if (!(cause instanceof AdytonError)) throw cause
      throw new AdytonError(
        'parameter-mismatch',
        `the server asks for what this program does not use: ${cause.message}`,
        {
          advice: 'Install the same release on both machines.',
          cause,
        },
      )
    }
  }
  for (const step of plan.steps) {
    if (step.op === 'linear') checkTiling(step.geometry, step.tiling, heOf(plan, step).polyDegree)
  }
}

/** Tells the peer when something fails on this side, so that it need not wait. */
async function guarded<T>(channel: Channel, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    await abortWith(channel, error, 'client')
    throw error
  }
}
