/**
 * The desktop app where there is one, else the same in the browser.
 *
 *   npm start -- [--browser] [--no-open] [--data DIR] [--port N]
 */
import { createRequire } from 'node:module'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { Command, CommanderError, InvalidArgumentError } from 'commander'
import { dataFolder } from '../api/data-folder.ts'
import { Host } from '../api/host.ts'
import { startBridge } from '../bridge/bridge.ts'
import { buildApp } from '../setup/build-app.mjs'
import { findDesktop, hasDisplay, openBrowser, runDesktop } from './desktop.ts'
import { EXIT, printError } from './output.ts'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const RENDERER = fileURLToPath(new URL('../../build/renderer', import.meta.url))

interface Flags {
  readonly browser?: boolean
  readonly open: boolean
  readonly data?: string
  readonly port?: number
}

function portArgument(text: string): number {
  if (/^\d{1,5}$/.test(text) && Number(text) >= 1 && Number(text) <= 65_535) return Number(text)
  throw new InvalidArgumentError('a number from 1 to 65535 is needed')
}

/** Electron's program, or why the browser is used. */
function chooseWindow({ browser, open, port }: Flags): { readonly program: string } | { readonly why: string } {
  if (browser === true) return { why: 'Using the browser, as --browser asks.' }
  if (!open || port !== undefined) return { why: `Using the browser, as ${open ? '--port' : '--no-open'} asks.` }
  const { platform, env } = process
  const found = findDesktop({ platform, env, root: process.getuid?.() === 0, manifest: electronManifest() })
  return 'program' in found ? found : { why: `No desktop app here (${found.missing}): using the browser.` }
}

function electronManifest(): string | undefined {
  try {
    return createRequire(import.meta.url).resolve('electron/package.json')
  } catch {
    return undefined
  }
}

/** When somebody asks the program to end; a second time ends it at once. */
function ending(): Promise<void> {
  return new Promise((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => resolve())
  })
}

async function runBrowser({ open, data, port }: Flags): Promise<number> {
  const ended = ending()
  const host = await Host.open(data)
  try {
    const log = (line: string): boolean => process.stderr.write(`adyton: ${line}\n`)
    const bridge = await startBridge({ host, renderer: RENDERER, log, ...(port === undefined ? {} : { port }) })
    process.stdout.write(`${bridge.url}\n`)
    if (open && hasDisplay()) openBrowser(bridge.url)
    const keys = process.stdin.isTTY ? createInterface({ input: process.stdin }) : undefined
    if (keys !== undefined) process.stdout.write('Enter prints another address, Ctrl-C ends the program.\n')
    keys?.on('line', () => process.stdout.write(`${bridge.newEntry()}\n`))
    await ended
    keys?.close()
    await bridge.close()
  } finally {
    await host.close()
  }
  return EXIT.ok
}

async function run(flags: Flags): Promise<number> {
  const choice = chooseWindow(flags)
  if ('program' in choice) {
    const { folder } = await buildApp(ROOT)
    return await runDesktop(choice.program, folder, dataFolder(flags.data))
  }
  process.stdout.write(`${choice.why}\n`)
  return await runBrowser(flags)
}

async function main(): Promise<number> {
  const program = new Command('npm start --')
    .description('Starts Adyton: the desktop app, or where there is none the same in the browser.')
    .option('--browser', 'use the browser even where the desktop app could run')
    .option('--no-open', 'print the address and open nothing')
    .option('--data <folder>', 'data folder')
    .option('--port <n>', 'port of the browser bridge; any free one when left out', portArgument)
    .allowExcessArguments(false)
    .exitOverride()
    .showHelpAfterError('(add --help for the options)')
  try {
    program.parse()
    return await run(program.opts<Flags>())
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok : EXIT.usage
    return printError(error, false)
  }
}

process.exitCode = await main()
