/**
 * Who may import whom, as data. Folders are relative to the repository; the longest one that holds a file is its
 * folder. A folder may always import itself.
 *
 * Folders are listed from the bottom up, so an import always points to a folder that is higher in this file.
 */

export interface Row {
  /** Folders it may import anything from. */
  readonly values: readonly string[]
  /** Folders it may only `import type` from. */
  readonly types?: readonly string[]
  /** What it must not import from outside the repository. */
  readonly forbid: readonly (keyof typeof FORBIDDEN)[]
}

const primitives = ['core/errors', 'core/ring', 'core/kernels']
const engine = [...primitives, 'core/ot', 'core/garble', 'core/he', 'core/channel', 'core/network', 'core/ledger']
const models = ['core/errors', 'core/network']
const curation = [
  'core/architectures',
  'core/datasets',
  'core/training',
  'core/linearize',
  'core/search',
  'core/formats',
]
const computing = [...engine, 'core/protocol', ...curation]

/** Names for the sets of outside packages that a folder must not import. */
export const FORBIDDEN = {
  /** core runs without a window. */
  desktop: { packages: ['electron', 'svelte'], why: 'core computes without Electron, a DOM or Svelte' },
  /** The renderer runs in a browser, the preload in Electron's sandbox. */
  node: { packages: ['node:*', 'better-sqlite3'], why: 'it runs in a browser sandbox, without Node or SQLite' },
  electron: { packages: ['electron'], why: 'it must also run in an ordinary browser' },
  svelte: { packages: ['svelte'], why: 'only the renderer draws' },
}

export const IMPORT_TABLE: Readonly<Record<string, Row>> = {
  // Plain JavaScript that runs before anything is installed.
  'core/setup': { values: [], forbid: ['desktop'] },
  'core/errors': { values: [], forbid: ['desktop'] },
  'core/ring': { values: ['core/errors'], forbid: ['desktop'] },
  'core/kernels': { values: ['core/errors', 'core/ring'], forbid: ['desktop'] },
  'core/ot': { values: primitives, forbid: ['desktop'] },
  'core/garble': { values: primitives, forbid: ['desktop'] },
  'core/network': { values: ['core/errors', 'core/ring'], forbid: ['desktop'] },
  // HE works on the steps and parameters of a plan; it needs their types, never the code that makes them.
  'core/he': { values: primitives, types: ['core/network'], forbid: ['desktop'] },
  'core/channel': { values: primitives, forbid: ['desktop'] },
  'core/ledger': { values: ['core/errors'], forbid: ['desktop'] },
  'core/protocol': { values: engine, forbid: ['desktop'] },
  'core/architectures': { values: models, forbid: ['desktop'] },
  'core/datasets': { values: [...models, ...curation.slice(0, 1)], forbid: ['desktop'] },
  'core/training': { values: [...models, ...curation.slice(0, 2)], forbid: ['desktop'] },
  'core/linearize': { values: [...models, ...curation.slice(0, 3)], forbid: ['desktop'] },
  'core/search': { values: [...models, ...curation.slice(0, 4)], forbid: ['desktop'] },
  'core/formats': { values: [...models, ...curation.slice(0, 5)], forbid: ['desktop'] },
  'core/zoo': { values: computing, forbid: ['desktop'] },
  'core/jobs': { values: [...computing, 'core/zoo'], forbid: ['desktop'] },
  // What api offers to code that runs in a browser: constants and pure functions.
  'core/api/data': { values: ['core/errors'], types: ['core/network', 'core/ledger'], forbid: ['desktop', 'node'] },
  'core/api': { values: [...computing, 'core/zoo', 'core/jobs', 'core/api/data'], forbid: ['desktop'] },
  // Serves the windows' files and carries their messages to the host, for an ordinary browser.
  'core/bridge': { values: [...computing, 'core/zoo', 'core/jobs', 'core/api', 'core/api/data'], forbid: ['desktop'] },
  'core/cli': {
    values: [...computing, 'core/zoo', 'core/jobs', 'core/api', 'core/api/data', 'core/bridge'],
    forbid: ['desktop'],
  },
  // Names that main process and preload script share.
  'electron/ipc': { values: [], forbid: ['node', 'svelte'] },
  'electron/preload': { values: ['electron/ipc'], types: ['core/api', 'core/api/data'], forbid: ['node', 'svelte'] },
  // Makes the installed app; nothing of the app imports it.
  'electron/packaging': { values: ['core/setup', 'core/api'], forbid: ['electron', 'svelte'] },
  electron: {
    values: [
      ...computing,
      'core/zoo',
      'core/jobs',
      'core/api',
      'core/api/data',
      'core/bridge',
      'core/cli',
      'electron/ipc',
    ],
    types: ['electron/preload'],
    forbid: ['svelte'],
  },
  renderer: { values: ['core/api/data', 'core/errors'], types: ['core/api'], forbid: ['node', 'electron'] },
}

/**
 * Single files that may import more: programs that wire folders together and that nothing imports.
 */
export const ENTRY_POINTS: Readonly<Record<string, readonly string[]>> = {
  // Trains the bundled model and writes it as a model folder.
  'core/training/digits/main.ts': ['core/formats'],
  // `npm start` stages the desktop app before it runs it.
  'core/cli/window.ts': ['core/setup'],
  // Builds the windows.
  'renderer/vite.config.ts': ['core/setup'],
}
