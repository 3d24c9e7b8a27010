/** What a server offers its clients, made from a lowered model. */
import { encodePlan, planDigest } from '../network/plan-json.ts'
import type { LoweredModel } from '../network/plan.ts'
import { commitWeights, type PublicCard } from '../protocol/hello.ts'
import { checkCircuits } from '../protocol/batches.ts'
import type { Offer } from '../protocol/server/session.ts'
import { SOFTWARE } from './software.ts'

/** `salt`: 32 secret bytes that are kept with the server's store, so that the commitment outlives a restart. */
/** Throws 'plan-invalid' for a model whose circuits no client would take. */
export function makeOffer(model: LoweredModel, card: PublicCard, salt: Uint8Array): Offer {
  checkCircuits(model.plan)
  return {
    model,
    planBytes: encodePlan(model.plan),
    planDigest: planDigest(model.plan),
    commitment: commitWeights(salt, model.secret),
    card,
    software: SOFTWARE,
  }
}
