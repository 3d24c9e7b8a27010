/**
 * A channel with its account: every frame is counted and every blocked moment is waiting.
 */
import type { Channel } from '../channel/channel.ts'
import { HEADER_BYTES } from '../channel/frames.ts'
import { messageKind, NO_STEP } from '../channel/messages.ts'
import type { Kind, Ledger, Phase } from '../ledger/ledger.ts'

/** Where in an inference a frame belongs. */
export interface Place {
  readonly phase: Phase
  /** Index in the plan, or NO_STEP. */
  readonly index: number
  /** Id of the step, or ''. */
  readonly step: string
}

export function place(phase: Phase, index: number = NO_STEP, step = ''): Place {
  return { phase, index, step }
}

/** Ledger kind of a message: control frames are shares of nothing, and are counted with 'share'. */
function kindOf(type: number): Kind {
  const kind = messageKind(type)
  return kind === 'control' ? 'share' : kind
}

export class Link {
  readonly channel: Channel
  readonly ledger: Ledger

  constructor(channel: Channel, ledger: Ledger) {
    this.channel = channel
    this.ledger = ledger
  }

  async send(at: Place, type: number, payload: Uint8Array): Promise<void> {
    this.ledger.traffic(at.phase, at.step, kindOf(type), 'sent', HEADER_BYTES + payload.length)
    await this.ledger.section(at.phase, at.step, 'wait', () => this.channel.send({ type, step: at.index, payload }))
  }

  /** `memory`: see Expected. */
  async receive(
    at: Place,
    type: number,
    length: number | { min: number; max: number },
    memory?: Uint8Array,
  ): Promise<Uint8Array> {
    const expected = { type, step: at.index, length, ...(memory === undefined ? {} : { memory }) }
    const payload = await this.ledger.section(at.phase, at.step, 'wait', () => this.channel.receive(expected))
    this.ledger.traffic(at.phase, at.step, kindOf(type), 'received', HEADER_BYTES + payload.length)
    return payload
  }

  /** Work on this machine, by kind. */
  async work<T>(at: Place, kind: Exclude<Kind, 'wait'>, run: () => T | Promise<T>): Promise<T> {
    return await this.ledger.section(at.phase, at.step, kind, run)
  }
}
