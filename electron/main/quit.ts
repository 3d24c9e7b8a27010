/** Quitting asks when something runs; what runs goes on at the next start, as far as it can. */
import type { BrowserWindow } from 'electron'
import type { Host } from '../../core/api/host.ts'
import type { ElectronApi } from './electron.ts'

/** True when the program may end. */
export async function mayQuit(
  { dialog }: Pick<ElectronApi, 'dialog'>,
  window: BrowserWindow | undefined,
  queue: Host['queue'],
): Promise<boolean> {
  const running = queue.list().filter(({ state }) => state === 'running')
  if (running.length === 0) return true
  const titles = running.slice(0, 5).map(({ title }) => `• ${title}`)
  if (running.length > titles.length) titles.push(`• and ${running.length - titles.length} more`)
  const options = {
    type: 'question' as const,
    message:
      running.length === 1 ? 'A job is running. Quit anyway?' : `${running.length} jobs are running. Quit anyway?`,
    detail: `${titles.join('\n')}\n\nTraining goes on from where it was at the next start. An inference begins again.`,
    buttons: ['Go on working', 'Quit'],
    defaultId: 0,
    cancelId: 0,
  }
  const { response } = await (window === undefined
    ? dialog.showMessageBox(options)
    : dialog.showMessageBox(window, options))
  return response === 1
}
