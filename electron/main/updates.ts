/**
 * New versions: off until the settings name a feed. One is looked for at the start, fetched beside the work, and
 * installed when the program has ended, which is after its jobs have stopped where they can go on.
 */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { AppUpdater } from 'electron-updater'

type Updater = Pick<
  AppUpdater,
  | 'allowDowngrade'
  | 'autoDownload'
  | 'autoInstallOnAppQuit'
  | 'checkForUpdates'
  | 'logger'
  | 'on'
  | 'setFeedURL'
  | 'updateConfigPath'
>

export interface UpdateOptions {
  /** Loaded only when it is wanted. */
  readonly updater: () => Promise<Updater>
  /** Address of the folder with latest.yml; https only. Null: off. */
  readonly feed: string | null
  /** Whether this is an installed app. */
  readonly packaged: boolean
  readonly userData: string
  readonly onReady: (version: string) => void
  readonly log: (line: string) => void
}

/** Never rejects: a program that cannot be renewed works. */
export async function lookForUpdate({ feed, packaged, userData, log, ...rest }: UpdateOptions): Promise<void> {
  if (feed === null || !packaged) return
  // The updater tells some errors twice.
  const told = new Set<unknown>()
  const fail = (error: unknown): void => {
    if (!told.has(error)) log(`the update feed failed: ${error instanceof Error ? error.message : String(error)}`)
    told.add(error)
  }
  try {
    const updater = await rest.updater()
    const source = { provider: 'generic' as const, url: feed }
    // The builder writes this file for feeds that are known when it runs; the updater does not do without it.
    const config = join(userData, 'update.json')
    writeFileSync(config, JSON.stringify({ ...source, updaterCacheDirName: 'adyton-updater' }))
    updater.updateConfigPath = config
    updater.setFeedURL(source)
    updater.logger = null
    updater.allowDowngrade = false
    updater.autoDownload = true
    updater.autoInstallOnAppQuit = true
    updater.on('error', fail)
    updater.on('update-downloaded', ({ version }) => rest.onReady(version))
    await updater.checkForUpdates()
  } catch (error) {
    fail(error)
  }
}
