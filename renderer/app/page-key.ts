/** The key with which this page shows the bridge that it is no page of another port (core/bridge/entry.ts). */
import { KEY_FRAGMENT } from '../../core/api/data/bridge.ts'

const STORED = 'adyton.key'

function take(): string {
  if (location.hash.startsWith(KEY_FRAGMENT)) {
    localStorage.setItem(STORED, location.hash.slice(KEY_FRAGMENT.length))
    history.replaceState(null, '', '#/')
  }
  // A sub-protocol must not be empty; the bridge refuses this one and says what to do.
  return localStorage.getItem(STORED) ?? 'none'
}

export const pageKey = take()
