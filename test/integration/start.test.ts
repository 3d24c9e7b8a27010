/** `npm start`: what it says, where it leads, how it ends. */
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { chmod, mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { createServer, type AddressInfo } from 'node:net'
import { createInterface } from 'node:readline'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { Visitor } from '../fixtures/bridge.ts'
import { finish, ROOT, type Finished } from '../fixtures/command.ts'
import { temporaryFolder } from '../fixtures/zoo.ts'

interface Started {
  /** The lines of standard output up to and with the address. */
  readonly lines: readonly string[]
  readonly url: string
  readonly end: (signal: NodeJS.Signals) => Promise<Finished>
}

/** With no display and no Electron, and with what `more` says. */
function launch(args: readonly string[], more: Readonly<Record<string, string>> = {}) {
  const { DISPLAY: _, WAYLAND_DISPLAY: __, ...rest } = process.env
  const env = { ...rest, ELECTRON_OVERRIDE_DIST_PATH: join(ROOT, 'no-such-folder'), ...more }
  const command = [join(ROOT, 'core', 'cli', 'start.ts'), ...args]
  return spawn(process.execPath, command, { cwd: ROOT, stdio: ['ignore', 'pipe', 'pipe'], env })
}

async function started(args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Started> {
  const child = launch(args, env)
  const finished = finish(child)
  const lines: string[] = []
  const found = new Promise<string>((resolve) => {
    createInterface({ input: child.stdout }).on('line', (line) => {
      lines.push(line)
      if (line.startsWith('http')) resolve(line)
    })
  })
  const early = finished.then(({ stderr }) => Promise.reject<string>(new Error(`ended early: ${stderr}`)))
  const url = await Promise.race([found, early])
  early.catch(() => undefined)
  const end = (signal: NodeJS.Signals): Promise<Finished> => {
    child.kill(signal)
    return finished
  }
  return { lines, url, end }
}

test.each(['SIGTERM', 'SIGINT'] as const)('one line says why, one leads in; %s ends it cleanly', async (signal) => {
  await using folder = await temporaryFolder()
  const data = join(folder.dir, 'data')
  const { lines, url, end } = await started(['--data', data])
  expect(lines).toHaveLength(2)
  expect(lines[0]).toBe("No desktop app here (Electron's program is not installed): using the browser.")
  const visitor = await Visitor.enter(url)
  const page = await visitor.get('/')
  expect([200, 503]).toContain(page.status)
  expect(page.headers['content-type']).toContain('text/html')
  expect((await visitor.post('/upload?name=x.onnx', 'x')).status).toBe(200)
  expect(await readdir(join(data, 'uploads'))).toHaveLength(1)

  // There is one for a folder.
  const second = await finish(launch(['--browser', '--data', data]))
  expect(second.code).toBe(1)
  expect(second.stderr).toMatch(/in use by another Adyton.*\[host-running\]/)
  expect(second.stdout).toBe('Using the browser, as --browser asks.\n')

  const { code, stdout, stderr } = await end(signal)
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  expect(stdout).toBe(`${lines.join('\n')}\n`)
  expect(await readdir(join(data, 'uploads'))).toEqual([])
  expect(await readdir(join(data, 'host'))).toEqual([])
})

test('a port is taken as named, or refused when another program has it', async () => {
  await using folder = await temporaryFolder()
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  const args = ['--port', String(port), '--data', folder.dir]
  const { code, stderr } = await finish(launch(args))
  expect(code).toBe(2)
  expect(stderr).toContain(`port ${port} is in use by another program [usage]`)
  expect(stderr).toContain('--port')
  await new Promise((resolve) => server.close(resolve))
  const { url, end } = await started(args)
  expect(new URL(url).host).toBe(`127.0.0.1:${port}`)
  expect((await end('SIGTERM')).code).toBe(0)
  for (const bad of ['0', '65536', '-1', 'x', '1e3']) expect((await finish(launch(['--port', bad]))).code).toBe(2)
})

test('help goes to standard output and is no error', async () => {
  const { code, stdout } = await finish(launch(['--help']))
  expect(code).toBe(0)
  for (const flag of ['--browser', '--no-open', '--data', '--port']) expect(stdout).toContain(flag)
})

test.skipIf(process.platform === 'win32')('the browser is opened where there is a display, and only then', async () => {
  await using folder = await temporaryFolder()
  const { dir } = folder
  const bin = join(dir, 'bin')
  await mkdir(bin)
  const note = join(dir, 'opened')
  for (const name of ['xdg-open', 'open']) {
    await writeFile(join(bin, name), `#!/bin/sh\nprintf %s "$1" > '${note}.part' && mv '${note}.part' '${note}'\n`)
    await chmod(join(bin, name), 0o755)
  }
  const PATH = `${bin}:${process.env['PATH']}`
  const quiet = await started(['--no-open', '--data', join(dir, 'a')], { PATH, DISPLAY: ':99' })
  expect(quiet.lines[0]).toBe('Using the browser, as --no-open asks.')
  await quiet.end('SIGTERM')
  expect(existsSync(note)).toBe(false)
  const loud = await started(['--browser', '--data', join(dir, 'b')], { PATH, DISPLAY: ':99' })
  await expect.poll(() => existsSync(note)).toBe(true)
  expect(await readFile(note, 'utf8')).toBe(loud.url)
  await loud.end('SIGTERM')
})
