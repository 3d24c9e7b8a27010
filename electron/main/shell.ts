/**
 * The desktop app around the core: one instance, one window, the host behind it. Electron is handed in, so that the whole
 * of it runs in tests.
 */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import type { BrowserWindow, IpcMainEvent, IpcMainInvokeEvent } from 'electron'
import { MAX_OPENED, type DesktopEvent } from '../../core/api/data/desktop.ts'
import { Connection } from '../../core/api/connection.ts'
import { dataFolder } from '../../core/api/data-folder.ts'
import { MAX_REQUEST } from '../../core/api/data/contract.ts'
import { Host } from '../../core/api/host.ts'
import { setForker } from '../../core/api/processes/child.ts'
import { loadSettings } from '../../core/api/settings.ts'
import { TransferFolders } from '../../core/bridge/folders.ts'
import { AdytonError } from '../../core/errors/errors.ts'
import { CHANNELS } from '../ipc/channels.ts'
import { utilityForker } from '../processes/utility.ts'
import { isTrusted } from './sender.ts'
import { registerScheme, serveApp } from './app-protocol.ts'
import { answerDesktop } from './desktop.ts'
import type { ElectronApi } from './electron.ts'
import { menuTemplate } from './menu.ts'
import { filesOf, OPENED_EXTENSIONS } from './opened.ts'
import { mayQuit } from './quit.ts'
import { denyPermissions } from './session.ts'
import { lookForUpdate, type UpdateOptions } from './updates.ts'
import { openWindow } from './window.ts'
import { showWork } from './working.ts'

export interface ShellOptions {
  /** Folder with the renderer's built files. */
  readonly renderer: string
  /** The preload script, bundled. */
  readonly preload: string
  readonly icon: string
  /** The data folder; the usual one when left out. */
  readonly data?: string
  /** Arguments of this start of the program. */
  readonly argv: readonly string[]
  /** For one line about what was refused; it holds no content. */
  readonly log: (line: string) => void
  readonly updater: UpdateOptions['updater']
}

export class Shell {
  readonly #electron: ElectronApi
  readonly #options: ShellOptions
  readonly #windows = new Set<number>()
  #host: Host | undefined
  #uploads: TransferFolders | undefined
  #window: BrowserWindow | undefined
  #connection: Connection | undefined
  /** Opened before there was a window that could take them. */
  #opened: string[] = []
  #listening = false
  #endWork = (): void => undefined
  #ending: 'no' | 'asking' | 'closing' | 'closed' = 'no'

  private constructor(electron: ElectronApi, options: ShellOptions) {
    this.#electron = electron
    this.#options = options
  }

  /** Call before the app is ready. Undefined when another instance has been told and this one is ending. */
  static start(electron: ElectronApi, options: ShellOptions): Shell | undefined {
    const { app } = electron
    // Each data folder has an instance of its own, and Chromium's files lie apart from ours.
    const own = join(dataFolder(options.data), 'desktop')
    try {
      mkdirSync(own, { recursive: true })
    } catch (error) {
      complain(electron, error)
      app.quit()
      return undefined
    }
    app.setPath('userData', own)
    if (!app.requestSingleInstanceLock()) {
      app.quit()
      return undefined
    }
    const shell = new Shell(electron, options)
    registerScheme(electron)
    app.enableSandbox()
    shell.#opened = filesOf(options.argv.slice(1), process.cwd())
    app.on('second-instance', (_event, argv, folder) => shell.#wake(filesOf(argv.slice(1), folder)))
    app.on('open-file', (event, path) => {
      event.preventDefault()
      shell.#wake([path])
    })
    app.on('activate', () => shell.#wake([]))
    app.on('window-all-closed', () => app.quit())
    app.on('before-quit', (event) => shell.#beforeQuit(event))
    // A second barrier beside each window's own.
    app.on('web-contents-created', (_event, contents) => {
      contents.on('will-attach-webview', (event) => event.preventDefault())
    })
    void app.whenReady().then(() => shell.#ready())
    return shell
  }

  /** The window's conversation with the host ends; jobs go on. */
  #disconnect(): void {
    this.#connection?.close()
    this.#connection = undefined
    this.#listening = false
  }

  async #ready(): Promise<void> {
    const { app, ipcMain, Menu } = this.#electron
    const { renderer, data } = this.#options
    setForker(utilityForker(this.#electron))
    try {
      this.#host = await Host.open(data)
    } catch (error) {
      complain(this.#electron, error)
      this.#ending = 'closed'
      app.quit()
      return
    }
    this.#uploads = new TransferFolders(join(this.#host.data, 'uploads'))
    await this.#uploads.sweep()
    this.#endWork = showWork(this.#electron, this.#host.queue, () => this.#window)
    denyPermissions(this.#electron)
    serveApp(this.#electron, renderer)
    ipcMain.on(CHANNELS.request, (event, message: unknown) => this.#request(event, message))
    ipcMain.handle(CHANNELS.desktop, (event, message: unknown) => this.#desktop(event, message))
    const actions = {
      command: (id: string) => this.#tell({ event: 'command', command: id }),
      openFiles: () => void this.#openFiles(),
    }
    Menu.setApplicationMenu(Menu.buildFromTemplate(menuTemplate(process.platform, actions)))
    this.#open()
    void this.#update(this.#host)
  }

  async #update(host: Host): Promise<void> {
    const { app, Notification } = this.#electron
    const { log, updater } = this.#options
    const settings = await loadSettings(host.data, log).catch(() => undefined)
    await lookForUpdate({
      ...{ feed: settings?.updateFeed ?? null, packaged: app.isPackaged, userData: app.getPath('userData') },
      ...{ updater, log },
      onReady: (version) => {
        if (!Notification.isSupported()) return
        const body = 'It is installed when you quit. Jobs that run then go on at the next start.'
        new Notification({ title: `Adyton ${version} is ready`, body }).show()
      },
    })
  }

  #open(): void {
    const { app } = this.#electron
    const window = openWindow(this.#electron, {
      preload: this.#options.preload,
      icon: this.#options.icon,
      userData: app.getPath('userData'),
      onPageGone: () => this.#disconnect(),
    })
    const { id } = window.webContents
    this.#windows.add(id)
    this.#window = window
    // A page that is loaded anew begins a conversation of its own.
    window.webContents.on('did-start-navigation', ({ isMainFrame, isSameDocument }) => {
      if (isMainFrame && !isSameDocument) this.#disconnect()
    })
    window.on('closed', () => {
      this.#windows.delete(id)
      if (this.#window === window) this.#window = undefined
      this.#disconnect()
    })
  }

  /** Somebody started the program again, or opened a file with it. */
  #wake(files: readonly string[]): void {
    this.#opened.push(...files)
    const window = this.#window
    if (window === undefined) {
      if (this.#host !== undefined && this.#ending === 'no') this.#open()
      return
    }
    if (window.isMinimized()) window.restore()
    window.show()
    window.focus()
    this.#handOver()
  }

  async #openFiles(): Promise<void> {
    const extensions = [...OPENED_EXTENSIONS].map((extension) => extension.slice(1))
    const options = {
      properties: ['openFile' as const, 'multiSelections' as const],
      filters: [{ name: 'Models', extensions }],
    }
    const window = this.#window
    if (window === undefined) return
    this.#wake((await this.#electron.dialog.showOpenDialog(window, options)).filePaths)
  }

  #handOver(): void {
    while (this.#listening && this.#opened.length > 0) {
      this.#tell({ event: 'open', paths: this.#opened.splice(0, MAX_OPENED) })
    }
  }

  #tell(event: DesktopEvent): void {
    const contents = this.#window?.webContents
    if (contents !== undefined && !contents.isDestroyed()) contents.send(CHANNELS.event, event)
  }

  #request(event: IpcMainEvent, message: unknown): void {
    if (!isTrusted(event, this.#windows)) {
      this.#options.log('refused: a request of a page that is not ours')
      return
    }
    const { sender } = event
    const host = this.#host
    if (host === undefined) return
    this.#connection ??= new Connection(host, (reply) => {
      if (!sender.isDestroyed()) sender.send(CHANNELS.reply, reply)
    })
    try {
      this.#connection.receive(plain(message))
    } catch {
      this.#options.log('refused: a message that is not in the contract')
      return
    }
    if (!this.#listening) {
      this.#listening = true
      this.#handOver()
    }
  }

  async #desktop(event: IpcMainInvokeEvent, message: unknown): Promise<unknown> {
    const [window, uploads] = [this.#window, this.#uploads]
    if (!isTrusted(event, this.#windows) || window === undefined || uploads === undefined) {
      this.#options.log('refused: a request of a page that is not ours')
      throw new Error('refused')
    }
    return await answerDesktop(this.#electron, window, uploads, message)
  }

  #beforeQuit(event: { preventDefault: () => void }): void {
    if (this.#ending === 'closed' || this.#host === undefined) return
    event.preventDefault()
    if (this.#ending === 'no') void this.#end(this.#host)
  }

  async #end(host: Host): Promise<void> {
    this.#ending = 'asking'
    if (!(await mayQuit(this.#electron, this.#window, host.queue))) {
      this.#ending = 'no'
      // Everything goes on; a window that was closed on the way comes back.
      if (this.#window === undefined) this.#open()
      return
    }
    this.#ending = 'closing'
    this.#disconnect()
    this.#endWork()
    // Jobs take a moment to stop.
    this.#window?.hide()
    try {
      await host.close()
      await this.#uploads?.clear()
    } catch (error) {
      this.#options.log(`the end was not clean: ${error instanceof Error ? error.message : String(error)}`)
    }
    this.#ending = 'closed'
    this.#electron.app.quit()
  }
}

function complain({ dialog }: ElectronApi, error: unknown): void {
  const advice = error instanceof AdytonError ? error.advice : undefined
  const text = error instanceof Error ? error.message : String(error)
  dialog.showErrorBox('Adyton cannot start', advice === undefined ? text : `${text}\n\n${advice}`)
}

/** A message as plain JSON of bounded length, as it would come over a socket; throws for what is none. */
function plain(message: unknown): unknown {
  const text = JSON.stringify(message) as string | undefined
  if (text === undefined || text.length > MAX_REQUEST) throw new RangeError('not plain, or too long')
  return JSON.parse(text)
}
