/** The application menu. Entries of the app's own are commands of the window's, which has their shortcuts as well. */
import type { MenuItemConstructorOptions } from 'electron'

export interface MenuActions {
  readonly command: (id: string) => void
  readonly openFiles: () => void
}

/** `platform`: as process.platform. */
export function menuTemplate(platform: string, actions: MenuActions): MenuItemConstructorOptions[] {
  const { command } = actions
  const mac = platform === 'darwin'
  const go = (label: string, id: string, n: number): MenuItemConstructorOptions => ({
    label,
    accelerator: `Alt+${n}`,
    click: () => command(`go.${id}`),
  })
  const apps: MenuItemConstructorOptions[] = mac ? [{ role: 'appMenu' }] : []
  return [
    ...apps,
    {
      label: 'File',
      submenu: [
        { label: 'Open…', accelerator: 'CmdOrCtrl+O', click: actions.openFiles },
        { type: 'separator' },
        mac ? { role: 'close' } : { role: 'quit' },
      ],
    },
    { role: 'editMenu' },
    {
      label: 'Go',
      submenu: [
        go('Start', '', 1),
        go('Zoo', 'zoo', 2),
        go('Private inference', 'inference', 3),
        go('Train and linearise', 'train', 4),
        go('Jobs', 'jobs', 5),
        go('Two machines', 'machines', 6),
        go('Benchmarks', 'benchmarks', 7),
        go('Settings', 'settings', 8),
        { type: 'separator' },
        { label: 'Commands', accelerator: 'CmdOrCtrl+K', click: () => command('palette') },
      ],
    },
    {
      label: 'View',
      submenu: [
        { label: 'Theme of the system', click: () => command('theme.system') },
        { label: 'Light theme', click: () => command('theme.light') },
        { label: 'Dark theme', click: () => command('theme.dark') },
        { type: 'separator' },
        { role: 'resetZoom' },
        { role: 'zoomIn' },
        { role: 'zoomOut' },
        { role: 'togglefullscreen' },
      ],
    },
    { role: 'windowMenu' },
    { role: 'help', submenu: [{ label: 'About Adyton', click: () => command('go.about') }] },
  ]
}
