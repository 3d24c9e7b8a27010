/** Goes the way of a connection step by step, and says at which one it ends and why. */
import { lookup } from 'node:dns/promises'
import { isIP } from 'node:net'
import { formatFingerprint, sameFingerprint, shortFingerprint, type Identity } from '../../channel/identity.ts'
import { errorCode } from '../../channel/socket.ts'
import { place } from '../../channel/tls-errors.ts'
import { connect, type TlsChannel } from '../../channel/tls.ts'
import { AdytonError } from '../../errors/errors.ts'
import { lookAtServer } from '../../protocol/client/look.ts'
import { PROTOCOL_VERSION } from '../../protocol/hello.ts'
import { TEST_STEPS, type ConnectionTestResult, type TestStep, type TestStepId } from '../data/connection-test.ts'
import type { PeerStore } from '../peers.ts'
import { SOFTWARE } from '../software.ts'
import { nameCause, reachCause, type Cause, type Platform } from './causes.ts'
import type { Located } from './target.ts'

export interface TestOptions {
  readonly located: Located
  readonly identity: Identity
  readonly peers: PeerStore
  /** How long to wait for TCP, and for the handshake, ms. */
  readonly patienceMs: number
  readonly onStep: (steps: readonly TestStep[]) => void
  readonly signal?: AbortSignal
  /** For tests. */
  readonly platform?: Platform
}

/** Ends the test: the step that was under way has failed. */
class Failed extends Error {
  readonly reason: Cause

  constructor(reason: Cause) {
    super(reason.text)
    this.reason = reason
  }
}

/** Never rejects for what a server or a network does; with 'cancelled' when it is stopped. */
export async function testConnection(options: TestOptions): Promise<ConnectionTestResult> {
  return await new ConnectionTest(options).run()
}

class ConnectionTest {
  readonly #options: TestOptions
  readonly #platform: Platform
  readonly #address: string
  readonly #steps: TestStep[] = []
  #channel: TlsChannel | undefined
  #fingerprint: string | undefined
  #models: ConnectionTestResult['models'] = []
  #rttMs: number | null = null

  constructor(options: TestOptions) {
    this.#options = options
    this.#platform = options.platform ?? process.platform
    this.#address = place(options.located.host, options.located.port)
  }

  async run(): Promise<ConnectionTestResult> {
    const { signal, peers } = this.#options
    try {
      await this.#step('name', () => this.#name())
      await this.#join()
      await this.#step('version', () => this.#version())
      await this.#step('clock', () => this.#clock())
      await this.#step('latency', () => Promise.resolve(`${(this.#rttMs ?? 0).toFixed(1)} ms there and back`))
    } catch (error) {
      if (signal?.aborted === true) throw new AdytonError('cancelled', 'the test was cancelled', { cause: error })
      if (!(error instanceof Failed)) throw error
    } finally {
      await this.#channel?.close()
    }
    const ok = this.#steps.every(({ state }) => state === 'ok')
    for (const id of TEST_STEPS.slice(this.#steps.length)) {
      this.#steps.push({ id, state: 'skipped', text: 'not tried', advice: null, ms: null })
    }
    const known = this.#fingerprint === undefined ? undefined : await peers.find('server', this.#fingerprint)
    return {
      ok,
      address: this.#address,
      steps: this.#steps,
      server: this.#fingerprint === undefined ? null : { fingerprint: this.#fingerprint, name: known?.name ?? null },
      models: this.#models,
      rttMs: this.#rttMs,
    }
  }

  async #step(id: TestStepId, work: () => Promise<string>): Promise<void> {
    this.#options.signal?.throwIfAborted()
    const started = performance.now()
    const put = (state: TestStep['state'], text: string, advice: string | null): void => {
      this.#steps.push({ id, state, text, advice, ms: performance.now() - started })
      this.#options.onStep([...this.#steps])
    }
    try {
      put('ok', await work(), null)
    } catch (error) {
      if (error instanceof Failed) put('failed', error.reason.text, error.reason.advice)
      throw error
    }
  }

  async #name(): Promise<string> {
    const { host } = this.#options.located
    if (isIP(host) !== 0) return `${host} is an address`
    try {
      const found = await lookup(host, { all: true })
      return `${host} is ${found.map(({ address }) => address).join(', ')}`
    } catch (error) {
      throw new Failed(nameCause(host, errorCode(error) ?? 'ENOTFOUND', this.#platform))
    }
  }

  /** One connection, whose ends tell four steps apart: the port, who answers, whether it is known, whether we are. */
  async #join(): Promise<void> {
    const { located, identity, peers, patienceMs, signal } = this.#options
    const { host, port, wanted } = located
    let known = false
    let reached = false
    const attempt = connect({
      ...{ host, port, identity, timeoutMs: patienceMs, idleTimeoutMs: patienceMs, signal },
      onReached: () => {
        reached = true
      },
      serverFingerprint: (fingerprint) => {
        this.#fingerprint = fingerprint
        known = wanted === undefined ? peers.has('server', fingerprint) : sameFingerprint(fingerprint, wanted)
        return known
      },
    }).then(
      (channel) => (this.#channel = channel),
      (error: unknown) => error,
    )
    await this.#step('reach', async () => {
      const end = await attempt
      signal?.throwIfAborted()
      if (reached) return `${this.#address} takes connections`
      const code = end instanceof AdytonError ? codeOf(end.cause) : undefined
      throw new Failed(reachCause(this.#address, code ?? 'TIMEOUT', this.#platform))
    })
    await this.#step('tls', async () => {
      const end = await attempt
      if (this.#fingerprint === undefined) throw tlsFailure(end)
      return `an Adyton server answers: ${shortFingerprint(this.#fingerprint)}`
    })
    const answered = this.#fingerprint as string
    await this.#step('server', () => {
      if (known) return Promise.resolve('it is the server that is paired')
      throw new Failed(
        wanted === undefined
          ? {
              text: `the server ${formatFingerprint(answered)} is not paired with this installation`,
              advice: 'Pair with it: let it show a code, and type it here.',
            }
          : {
              text: `another server answers: ${shortFingerprint(answered)} in place of ${shortFingerprint(wanted)}`,
              advice:
                'The address may belong to another machine now, or the server has a new identity, or somebody is in between. Pair again with a code if you trust it.',
            },
      )
    })
    await this.#step('client', async () => {
      const end = await attempt
      if (!(end instanceof Error)) return 'the server knows this installation'
      throw new Failed({
        text: end.message,
        advice:
          end instanceof AdytonError && end.code === 'peer-untrusted'
            ? 'Let the server show a code, and pair with it again.'
            : 'Try again; if it stays so, look at what the server says.',
      })
    })
  }

  async #version(): Promise<string> {
    try {
      const { hello, roundTripMs } = await lookAtServer(this.#channel as TlsChannel, SOFTWARE)
      this.#models = hello.models
      this.#rttMs = Math.min(roundTripMs, this.#channel?.connectMs ?? Infinity)
      return `both speak version ${PROTOCOL_VERSION} of the protocol; the server runs ${hello.software}`
    } catch (error) {
      if (!(error instanceof AdytonError)) throw error
      throw new Failed({
        text: error.message,
        advice: error.advice ?? 'Install the same release on both machines.',
      })
    }
  }

  #clock(): Promise<string> {
    const validity = this.#channel?.peerValidity
    const now = Date.now()
    const today = new Date(now).toISOString().slice(0, 10)
    if (validity !== undefined && (now < validity.from || now > validity.to)) {
      const years = `${new Date(validity.from).getUTCFullYear()} to ${new Date(validity.to).getUTCFullYear()}`
      throw new Failed({
        text: `this machine's clock says ${today}, and the server's certificate is of ${years}`,
        advice: 'Set the clock of this machine.',
      })
    }
    return Promise.resolve(`this machine's clock (${today}) fits the server's certificate`)
  }
}

/** The code of a system error; where several addresses were tried, that of the first. */
function codeOf(error: unknown): string | undefined {
  return errorCode(error) ?? (error instanceof AggregateError ? errorCode(error.errors[0]) : undefined)
}

/** Something listens, and it does not shake hands as an Adyton server does. */
function tlsFailure(error: unknown): Failed {
  if (!(error instanceof AdytonError)) return new Failed({ text: String(error), advice: 'Try again.' })
  const code = errorCode(error.cause) ?? ''
  if (code.includes('NO_APPLICATION_PROTOCOL')) {
    return new Failed({
      text: 'a program with TLS answers, but it does not speak this protocol: another program, or another release of Adyton',
      advice: 'Compare the port with the one that the server shows, and install the same release on both machines.',
    })
  }
  return new Failed({ text: error.message, advice: error.advice ?? 'Check the address and the port.' })
}
