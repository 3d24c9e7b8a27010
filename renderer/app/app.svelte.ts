/** What every screen uses: the host, its jobs, and the platform. Made once, by main.ts. */
import { browserPlatform } from './platform-browser.ts'
import { HostClient } from './host.svelte.ts'
import { Jobs } from './jobs.svelte.ts'
import type { Platform } from './platform.ts'
import { socketWire } from './wire.ts'

const socket = new URL('socket', location.href)
socket.protocol = 'ws:'
socket.hash = ''

export const platform: Platform = browserPlatform
export const host = new HostClient(socketWire(socket.href))
export const jobs = new Jobs(host)
