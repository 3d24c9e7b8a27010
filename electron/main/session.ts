/** What pages may ask of the system: nothing. */
import type { ElectronApi } from './electron.ts'

export function denyPermissions({ session }: Pick<ElectronApi, 'session'>): void {
  const { defaultSession } = session
  defaultSession.setPermissionRequestHandler((_contents, _permission, answer) => answer(false))
  defaultSession.setPermissionCheckHandler(() => false)
  defaultSession.setDevicePermissionHandler(() => false)
  // Nothing is fetched from anywhere.
  defaultSession.on('will-download', (event) => event.preventDefault())
}
