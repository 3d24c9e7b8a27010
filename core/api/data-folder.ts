/** Where this installation keeps its identity and packages. */
import { homedir } from 'node:os'
import { join, resolve } from 'node:path'

/** The given folder; else ADYTON_DATA; else the platform's place for application data. */
export function dataFolder(given?: string): string {
  const chosen = given ?? process.env['ADYTON_DATA']
  if (chosen !== undefined && chosen !== '') return resolve(chosen)
  if (process.platform === 'win32')
    return join(process.env['APPDATA'] ?? join(homedir(), 'AppData', 'Roaming'), 'Adyton')
  if (process.platform === 'darwin') return join(homedir(), 'Library', 'Application Support', 'Adyton')
  return join(process.env['XDG_DATA_HOME'] ?? join(homedir(), '.local', 'share'), 'adyton')
}
