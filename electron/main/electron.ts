/** The part of Electron that the shell uses; main.ts hands it the real one, tests a fake. */
import type Electron from 'electron'

export interface ElectronApi {
  readonly app: Electron.App
  readonly BrowserWindow: typeof Electron.BrowserWindow
  readonly Menu: typeof Electron.Menu
  readonly MessageChannelMain: typeof Electron.MessageChannelMain
  readonly Notification: typeof Electron.Notification
  readonly dialog: Electron.Dialog
  readonly ipcMain: Electron.IpcMain
  readonly powerSaveBlocker: Electron.PowerSaveBlocker
  readonly protocol: Electron.Protocol
  readonly screen: Electron.Screen
  readonly session: typeof Electron.session
  readonly shell: Electron.Shell
  readonly utilityProcess: typeof Electron.utilityProcess
}
