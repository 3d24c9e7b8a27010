/** The models that a server offers, lowered. */
import { basename } from 'node:path'
import { AdytonError } from '../../errors/errors.ts'
import type { PublicCard } from '../../protocol/hello.ts'
import type { Offer } from '../../protocol/server/session.ts'
import { makeOffer } from '../offer.ts'
import { loadNetwork, lowerNetwork, publicCard, type Source } from '../source.ts'

export interface OfferOptions {
  readonly sources: readonly Source[]
  readonly reveal: 'logits' | 'label'
  readonly data: string | undefined
  /** Of the commitments, kept with the store. */
  readonly salt: Uint8Array
  readonly onProgress: (text: string) => void
}

/** In the order of the sources; the first is what a client gets that names none. Ids are unlike. */
export async function loadOffers({
  sources,
  reveal,
  data,
  salt,
  onProgress,
}: OfferOptions): Promise<[Offer, ...Offer[]]> {
  const offers: Offer[] = []
  const ids = new Set<string>()
  for (const source of sources) {
    onProgress('loading the network')
    const network = await loadNetwork(source, data)
    onProgress(`lowering ${network.name} to the ring`)
    const card = withoutPath(publicCard(network), ids)
    offers.push(makeOffer(lowerNetwork(network, { reveal }), card, salt))
  }
  const [first, ...more] = offers
  if (first === undefined) throw new AdytonError('usage', 'no model is named to be served')
  return [first, ...more]
}

/** Clients are not told where on this machine a model lies. */
function withoutPath(card: PublicCard, taken: Set<string>): PublicCard {
  const plain = basename(card.id).slice(0, 190)
  let id = plain
  for (let n = 2; taken.has(id); n++) id = `${plain} (${n})`
  taken.add(id)
  return { ...card, id }
}
