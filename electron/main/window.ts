/** The app's window: how it opens, what it may not do, and what happens when its page dies. */
import { join } from 'node:path'
import type { BrowserWindow } from 'electron'
import type { ElectronApi } from './electron.ts'
import { APP_URL, isOurs } from './origin.ts'
import { placeWindow, readWindowState, SMALLEST, writeWindowState } from './window-state.ts'

/** A page that dies more often than this within a minute is not loaded again. */
const MAX_CRASHES = 3
const CRASH_WINDOW_MS = 60_000

export interface WindowOptions {
  readonly preload: string
  /** Folder of what the window remembers. */
  readonly userData: string
  /** A picture for the systems that take it from the window. */
  readonly icon: string
  /** Where in the app to begin, such as '#/zoo'. */
  readonly hash?: string
  readonly onPageGone: () => void
}

export function openWindow(electron: ElectronApi, options: WindowOptions): BrowserWindow {
  const { app, BrowserWindow, screen } = electron
  const stateFile = join(options.userData, 'window.json')
  const state = readWindowState(stateFile)
  const areas = screen.getAllDisplays().map(({ workArea }) => workArea)
  const window = new BrowserWindow({
    ...placeWindow(state, areas),
    minWidth: SMALLEST.width,
    minHeight: SMALLEST.height,
    // Shown when there is something to see.
    show: false,
    title: app.name,
    icon: options.icon,
    webPreferences: {
      preload: options.preload,
      contextIsolation: true,
      sandbox: true,
      nodeIntegration: false,
      nodeIntegrationInWorker: false,
      webviewTag: false,
      spellcheck: false,
      navigateOnDragDrop: false,
    },
  })
  if (state?.maximized === true) window.maximize()
  window.once('ready-to-show', () => window.show())
  window.on('close', () => {
    try {
      writeWindowState(stateFile, { bounds: window.getNormalBounds(), maximized: window.isMaximized() })
    } catch {
      // A full disk: the window opens in the middle next time.
    }
  })
  confine(window)
  reviveOnCrash(electron, window, options.onPageGone)
  void window.loadURL(APP_URL + (options.hash ?? ''))
  return window
}

/** The window shows our pages and nothing else, whatever a page tries. */
function confine({ webContents }: BrowserWindow): void {
  webContents.setWindowOpenHandler(() => ({ action: 'deny' }))
  const stay = (event: { preventDefault: () => void }, url: string): void => {
    if (!isOurs(url)) event.preventDefault()
  }
  webContents.on('will-navigate', (event) => stay(event, event.url))
  webContents.on('will-redirect', (event) => stay(event, event.url))
  webContents.on('will-frame-navigate', (event) => stay(event, event.url))
  webContents.on('will-attach-webview', (event) => event.preventDefault())
}

/** Work goes on in other processes: the page is loaded again and shows how far it is. */
function reviveOnCrash({ dialog }: Pick<ElectronApi, 'dialog'>, window: BrowserWindow, onPageGone: () => void): void {
  let crashes: number[] = []
  window.webContents.on('render-process-gone', (_event, { reason }) => {
    onPageGone()
    if (reason === 'clean-exit' || window.isDestroyed()) return
    const now = Date.now()
    crashes = [...crashes.filter((at) => now - at < CRASH_WINDOW_MS), now]
    if (crashes.length <= MAX_CRASHES) window.webContents.reload()
    else void askToReload()
  })
  const askToReload = async (): Promise<void> => {
    const { response } = await dialog.showMessageBox(window, {
      type: 'error',
      message: 'The window has stopped working several times.',
      detail: 'Jobs go on. If it stops again, the machine may be short of memory.',
      buttons: ['Show the window again', 'Close the window'],
      defaultId: 0,
      cancelId: 0,
    })
    crashes = []
    if (window.isDestroyed()) return
    if (response === 0) window.webContents.reload()
    else window.destroy()
  }
}
