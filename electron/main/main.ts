/** Where Electron begins. */
import { fileURLToPath } from 'node:url'
import {
  app,
  BrowserWindow,
  dialog,
  ipcMain,
  Menu,
  MessageChannelMain,
  Notification,
  powerSaveBlocker,
  protocol,
  screen,
  session,
  shell,
  utilityProcess,
} from 'electron'
import { Shell } from './shell.ts'

const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url))
const data = process.env.ADYTON_DATA

Shell.start(
  {
    ...{ app, BrowserWindow, dialog, ipcMain, Menu, MessageChannelMain, Notification, powerSaveBlocker, protocol },
    ...{ screen, session, shell, utilityProcess },
  },
  {
    renderer: here('../../build/renderer'),
    preload: here('../../build/electron/preload.cjs'),
    icon: here('../../resources/icons/256x256.png'),
    argv: process.argv,
    log: (line) => console.error(`adyton: ${line}`),
    updater: async () => (await import('electron-updater')).default.autoUpdater,
    ...(data === undefined ? {} : { data }),
  },
)
