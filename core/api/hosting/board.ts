/** What a server shows while it runs: its state in full, at most five times a second, when it has changed. */
import type { TlsChannel } from '../../channel/tls.ts'
import type { Plan } from '../../network/plan.ts'
import { isNonLinear } from '../../protocol/batches.ts'
import type { Progress } from '../../protocol/client/context.ts'
import type { HostedSession, HostingDetail } from '../data/hosting.ts'
import type { OperationContext } from '../operation.ts'

const EVERY_MS = 200
/** Refusals that are kept: somebody who knocks all day must not fill the memory. */
const REFUSALS = 10

export interface BoardOptions {
  readonly fingerprint: string
  readonly disclosure: readonly string[]
  readonly pairing: () => Pick<HostingDetail, 'pairing' | 'pairingEnded' | 'paired'>
  readonly onProgress: OperationContext['onProgress']
}

/** One client's line. */
export class SessionLine {
  readonly channel: TlsChannel
  readonly #name: string
  readonly #since = Date.now()
  #model: { readonly id: string; readonly steps: Record<'offline' | 'online', number> } | undefined
  #phase: HostedSession['phase'] = 'setup'
  #layer: string | null = null
  #done = new Set<string>()
  #prepared = 0
  #inferences = 0

  constructor(channel: TlsChannel, name: string) {
    this.channel = channel
    this.#name = name
  }

  chose(id: string, plan: Plan): void {
    const worked = plan.steps.filter((step) => step.op === 'linear' || isNonLinear(step)).length
    this.#model = { id, steps: { offline: worked, online: plan.steps.length } }
    this.#phase = 'idle'
  }

  begins(phase: 'offline' | 'online'): void {
    this.#phase = phase
    this.#layer = null
    this.#done = new Set()
  }

  did({ step }: Progress): void {
    this.#layer = step
    this.#done.add(step)
  }

  served(phase: 'offline' | 'online'): void {
    if (phase === 'offline') this.#prepared++
    else this.#inferences++
    this.#phase = 'idle'
    this.#layer = null
    this.#done = new Set()
  }

  get state(): HostedSession {
    const { channel } = this
    const phase = this.#phase
    return {
      peer: channel.peerFingerprint,
      name: this.#name,
      address: channel.peerAddress,
      since: this.#since,
      model: this.#model?.id ?? null,
      phase,
      layer: this.#layer,
      done: this.#done.size,
      total: phase === 'offline' || phase === 'online' ? (this.#model?.steps[phase] ?? 0) : 0,
      bytesIn: channel.bytesReceived,
      bytesOut: channel.bytesSent,
      prepared: this.#prepared,
      inferences: this.#inferences,
    }
  }
}

export class HostingBoard {
  readonly #options: BoardOptions
  readonly #sessions = new Set<SessionLine>()
  readonly #timer: NodeJS.Timeout
  #state: HostingDetail['state'] = 'starting'
  #models: HostingDetail['models'] = []
  #address: string | null = null
  #addresses: readonly string[] = []
  #refused: HostingDetail['refused'] = []
  #prepared = 0
  #inferences = 0
  #last = ''
  #text = 'starting'

  constructor(options: BoardOptions) {
    this.#options = options
    this.#timer = setInterval(() => this.#tell(), EVERY_MS).unref()
    this.#tell()
  }

  /** What it is at before it listens. */
  says(text: string): void {
    this.#text = text
    this.#tell()
  }

  listens(address: string, addresses: readonly string[], models: HostingDetail['models']): void {
    this.#state = 'listening'
    this.#address = address
    this.#addresses = addresses
    this.#models = models
    this.#tell()
  }

  enters(line: SessionLine): void {
    this.#sessions.add(line)
  }

  leaves(line: SessionLine): void {
    this.#sessions.delete(line)
  }

  served(line: SessionLine, phase: 'offline' | 'online'): void {
    line.served(phase)
    if (phase === 'offline') this.#prepared++
    else this.#inferences++
  }

  refuses(address: string, why: string): void {
    this.#refused = [{ at: Date.now(), address, why }, ...this.#refused].slice(0, REFUSALS)
  }

  /** Sessions of a client, or of all. */
  sessions(peer?: string): SessionLine[] {
    return [...this.#sessions].filter(({ channel }) => peer === undefined || channel.peerFingerprint === peer)
  }

  get counts(): { readonly prepared: number; readonly inferences: number } {
    return { prepared: this.#prepared, inferences: this.#inferences }
  }

  /** The last word. */
  stops(): void {
    this.#state = 'stopping'
    clearInterval(this.#timer)
    this.#tell()
  }

  #tell(): void {
    const { fingerprint, disclosure, pairing, onProgress } = this.#options
    const detail: HostingDetail = {
      kind: 'hosting',
      state: this.#state,
      models: this.#models,
      address: this.#address,
      addresses: [...this.#addresses],
      fingerprint,
      disclosure: [...disclosure],
      ...(this.#state === 'listening' ? pairing() : { pairing: null, pairingEnded: 'none', paired: null }),
      sessions: [...this.#sessions].map((line) => line.state),
      refused: this.#refused,
      ...this.counts,
    }
    const text = this.#state === 'starting' ? this.#text : textOf(detail)
    const now = text + JSON.stringify(detail)
    if (now === this.#last) return
    this.#last = now
    onProgress({ text, detail })
  }
}

function textOf({ state, address, sessions, inferences }: HostingDetail): string {
  if (state !== 'listening') return state
  const clients = sessions.length === 1 ? '1 client' : `${sessions.length} clients`
  return `listening at ${address ?? ''}: ${clients}, ${inferences} inferences`
}
