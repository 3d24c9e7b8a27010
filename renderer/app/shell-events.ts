/** Does what the menu, the system, or another start of the program asks of this window. */
import type { DesktopBridge } from '../../core/api/data/desktop.ts'
import { commands } from './commands.svelte.ts'
import { opened } from './opened.svelte.ts'
import { listenToShell } from './platform-desktop.ts'
import { router } from './router.svelte.ts'

/** Call once. */
export function followShell(bridge: DesktopBridge): void {
  listenToShell(bridge, (event) => {
    if (event.event === 'command') commands.all.findLast(({ id }) => id === event.command)?.run()
    else {
      opened.add(event.paths)
      router.go('/zoo')
    }
  })
}
