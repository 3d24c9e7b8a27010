/** What every screen uses: the host, its jobs, and the platform. Made once. */
import { browserPlatform } from './platform-browser.ts'
import { desktopBridge, desktopPlatform, desktopWire } from './platform-desktop.ts'
import { HostClient } from './host.svelte.ts'
import { Jobs } from './jobs.svelte.ts'
import { pageKey } from './page-key.ts'
import type { Platform } from './platform.ts'
import { SettingsState } from './settings.svelte.ts'
import { socketWire } from './wire.ts'

function socketAddress(): string {
  const address = new URL('socket', location.href)
  address.protocol = 'ws:'
  address.hash = ''
  return address.href
}

const bridge = desktopBridge()
export const platform: Platform = bridge === undefined ? browserPlatform : desktopPlatform(bridge)
export const host = new HostClient(bridge === undefined ? socketWire(socketAddress(), pageKey) : desktopWire(bridge))
export const jobs = new Jobs(host)
export const settings = new SettingsState(host)
