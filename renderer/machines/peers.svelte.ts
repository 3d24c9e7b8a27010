/** The machines that this one is paired with. */
import type { Peer, PeerRole } from '../../core/api/data/hosting.ts'
import { host } from '../app/app.svelte.ts'
import { toasts } from '../app/toasts.svelte.ts'
import { text as ui } from '../ui/text.ts'
import { text } from './text.ts'

class Peers {
  list = $state.raw<readonly Peer[]>([])
  loaded = $state(false)
  error = $state.raw<unknown>()

  async load(): Promise<void> {
    try {
      this.list = await host.call('peers', {})
      this.loaded = true
      this.error = undefined
    } catch (error) {
      this.error = error
    }
  }

  of(role: PeerRole): readonly Peer[] {
    return this.list.filter((peer) => peer.role === role)
  }

  server(fingerprint: string): Peer | undefined {
    return this.of('server').find((peer) => peer.fingerprint === fingerprint)
  }

  async rename(peer: Peer, name: string): Promise<void> {
    const after = await this.#rename(peer, name)
    if (after === undefined || after === peer.name) return
    const undo = (): void => void this.#rename(peer, peer.name)
    toasts.show(text.renamed(peer.name, after), { action: { label: ui.undo, run: undo } })
  }

  async forget({ fingerprint, role, name }: Peer): Promise<void> {
    try {
      await host.call('forgetPeer', { fingerprint, role })
      toasts.show(text.forgotten(name))
    } catch (error) {
      toasts.fail(error)
    }
    await this.load()
  }

  /** Returns what it is called now. */
  async #rename({ fingerprint, role }: Peer, name: string): Promise<string | undefined> {
    try {
      const renamed = await host.call('renamePeer', { fingerprint, role, name })
      await this.load()
      return renamed.name
    } catch (error) {
      toasts.fail(error)
      return undefined
    }
  }
}

export const peers = new Peers()
