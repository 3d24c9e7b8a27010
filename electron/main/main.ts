/** Where Electron begins. */
import { fileURLToPath } from 'node:url'
import { app, BrowserWindow, dialog, ipcMain, Menu, Notification, protocol, screen, session, shell } from 'electron'
import { Shell } from './shell.ts'

const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url))
const data = process.env.ADYTON_DATA

Shell.start(
  { app, BrowserWindow, dialog, ipcMain, Menu, Notification, protocol, screen, session, shell },
  {
    renderer: here('../../build/renderer'),
    preload: here('../../build/electron/preload.cjs'),
    argv: process.argv,
    log: (line) => console.error(line),
    ...(data === undefined ? {} : { data }),
  },
)
