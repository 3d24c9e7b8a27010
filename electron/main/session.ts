/** What pages may ask of the system: to copy text, for their buttons that do. Nothing else. */
import type { ElectronApi } from './electron.ts'
import { isOurs } from './origin.ts'

const COPYING = 'clipboard-sanitized-write'

export function denyPermissions({ session }: Pick<ElectronApi, 'session'>): void {
  const { defaultSession } = session
  defaultSession.setPermissionRequestHandler((_contents, permission, answer, { requestingUrl, isMainFrame }) => {
    answer(permission === COPYING && isMainFrame && isOurs(requestingUrl))
  })
  defaultSession.setPermissionCheckHandler((_contents, permission, origin, { isMainFrame }) => {
    return permission === COPYING && isMainFrame && isOurs(origin)
  })
  defaultSession.setDevicePermissionHandler(() => false)
  // Nothing is fetched from anywhere.
  defaultSession.on('will-download', (event) => event.preventDefault())
}
