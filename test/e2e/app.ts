/** The app as people see it: the real program in a process of its own, and a real Chromium in front of it. */
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, mkdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { AxeBuilder } from '@axe-core/playwright'
import { chromium, type Browser, type BrowserContextOptions, type Page } from 'playwright'
import { expect } from 'vitest'
import { BROWSERS, findProgram } from '../../core/setup/setup.mjs'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
/** Pictures of every screen, for people; not committed. */
const SHOTS = join(ROOT, 'build', 'screenshots')

/** The browser that the tests drive, or undefined. */
export const CHROMIUM = process.env.ADYTON_CHROMIUM ?? findProgram(BROWSERS)
/** For `describe.skipIf`, with what to do about it. */
export const NO_CHROMIUM = CHROMIUM === undefined
if (NO_CHROMIUM) {
  console.error('browser tests are skipped: there is no Chromium on the PATH (Debian: apt-get install chromium)')
}

export interface ProgramOptions {
  /** A folder that outlives the program; a temporary one when left out. */
  readonly data?: string
  readonly env?: Readonly<Record<string, string>>
  /** A command that runs it, such as `taskset -c 0`. */
  readonly under?: readonly string[]
}

/** A program that serves a data folder, without a browser. */
export class Program {
  readonly #child: ChildProcess
  readonly data: string
  readonly url: string
  readonly #temporary: boolean

  private constructor(child: ChildProcess, data: string, url: string, temporary: boolean) {
    this.#child = child
    this.data = data
    this.url = url
    this.#temporary = temporary
  }

  static async start(options: ProgramOptions = {}): Promise<Program> {
    const data = options.data ?? (await mkdtemp(join(tmpdir(), 'adyton-e2e-')))
    const args = [join(ROOT, 'core/cli/start.ts'), '--browser', '--no-open', '--data', data]
    const [command, ...rest] = [...(options.under ?? []), process.execPath, ...args]
    const child = spawn(command, rest, {
      stdio: ['ignore', 'pipe', 'inherit'],
      env: { ...process.env, ...options.env },
    })
    for await (const line of createInterface(child.stdout)) {
      const [address] = /http:\/\/\S+/.exec(line) ?? []
      if (address !== undefined) return new Program(child, data, address, options.data === undefined)
    }
    throw new Error('the program ended before it told its address')
  }

  /** Ends it as a person would, or by force. */
  async stop(signal: 'SIGTERM' | 'SIGKILL' = 'SIGTERM'): Promise<void> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) {
      const ended = once(this.#child, 'exit')
      this.#child.kill(signal)
      await ended
    }
    if (this.#temporary) await rm(this.data, { recursive: true, force: true })
  }
}

export type AppOptions = BrowserContextOptions & ProgramOptions

export class App {
  readonly program: Program
  readonly browser: Browser
  page: Page
  /** What went wrong in the page: uncaught errors and console errors. */
  readonly errors: string[] = []

  private constructor(program: Program, browser: Browser, page: Page) {
    this.program = program
    this.browser = browser
    this.page = page
    this.#watch(page)
  }

  static async open({ data, env, under, ...context }: AppOptions = {}): Promise<App> {
    const program = await Program.start({
      ...(data === undefined ? {} : { data }),
      ...(env === undefined ? {} : { env }),
      ...(under === undefined ? {} : { under }),
    })
    try {
      const browser = await chromium.launch({
        ...(CHROMIUM === undefined ? {} : { executablePath: CHROMIUM }),
        args: ['--no-sandbox', '--force-color-profile=srgb'],
      })
      const made = await browser.newContext({ viewport: { width: 1280, height: 800 }, ...context })
      const page = await made.newPage()
      page.setDefaultTimeout(20_000)
      const app = new App(program, browser, page)
      await page.goto(program.url)
      await page.getByRole('main').waitFor()
      return app
    } catch (error) {
      await program.stop()
      throw error
    }
  }

  get data(): string {
    return this.program.data
  }

  /** Another window of the same browser. */
  async newPage(): Promise<Page> {
    const page = await this.page.context().newPage()
    page.setDefaultTimeout(20_000)
    this.#watch(page)
    await page.goto(new URL('/', this.program.url).href)
    await page.getByRole('main').waitFor()
    return page
  }

  /** Sends the host a request of its contract, as another window would, and gives the result. */
  async ask(request: object): Promise<unknown> {
    return await this.page.evaluate(
      (asked) =>
        new Promise<unknown>((resolve, reject) => {
          const key = localStorage.getItem('adyton.key') ?? ''
          const socket = new WebSocket(`ws://${location.host}/socket`, ['adyton', key])
          socket.onopen = () => socket.send(JSON.stringify({ ...asked, id: 1 }))
          socket.onclose = () => reject(new Error('the socket was closed'))
          socket.onmessage = ({ data }) => {
            const reply = JSON.parse(data as string) as { id?: number; type: string; result?: unknown; error?: Error }
            if (reply.id !== 1 || (reply.type !== 'done' && reply.type !== 'failed')) return
            if (reply.type === 'done') resolve(reply.result)
            else reject(new Error(reply.error?.message))
            socket.close()
          }
        }),
      request,
    )
  }

  /** Goes to a screen by its address behind '#'. */
  async go(address: string): Promise<void> {
    await this.page.evaluate((hash) => (location.hash = hash), address)
  }

  /** A picture of the window in both themes, as `build/screenshots/NAME-light.png` and `-dark.png`. */
  async shot(name: string, size?: { width: number; height: number }): Promise<void> {
    await mkdir(SHOTS, { recursive: true })
    const before = this.page.viewportSize()
    if (size !== undefined) await this.page.setViewportSize(size)
    for (const colorScheme of ['dark', 'light'] as const) {
      await this.page.emulateMedia({ colorScheme })
      await this.page.screenshot({ path: join(SHOTS, `${name}-${colorScheme}.png`) })
    }
    if (size !== undefined && before !== null) await this.page.setViewportSize(before)
  }

  /** Expects no serious finding of axe's in either theme. */
  async checkAccessible(): Promise<void> {
    for (const colorScheme of ['dark', 'light'] as const) {
      await this.page.emulateMedia({ colorScheme })
      const { violations } = await new AxeBuilder({ page: this.page }).analyze()
      const serious = violations.filter(({ impact }) => impact === 'serious' || impact === 'critical')
      const found = serious.map(({ id, nodes }) => `${colorScheme} ${id}: ${nodes.map(({ html }) => html).join(' | ')}`)
      expect(found).toEqual([])
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.browser.close()
    await this.program.stop()
  }

  #watch(page: Page): void {
    page.on('pageerror', (error) => this.errors.push(error.message))
    page.on('console', (message) => {
      if (message.type() === 'error') this.errors.push(message.text())
    })
  }
}

/** Opens the app; `await using` closes it. */
export const openApp = (options?: AppOptions): Promise<App> => App.open(options)
