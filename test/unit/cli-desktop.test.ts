/** Whether the desktop app can run, and that it is run as it should. */
import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test, vi } from 'vitest'
import { findDesktop, runDesktop, type Machine } from '../../core/cli/desktop.ts'
import { temporaryFolder } from '../fixtures/zoo.ts'

test('the desktop app needs its program, a display and an ordinary user', async () => {
  await using folder = await temporaryFolder()
  const { dir } = folder
  const linux: Machine = {
    ...{ platform: 'linux', env: { DISPLAY: ':0' }, root: false, manifest: join(dir, 'package.json') },
  }
  const missing = { missing: "Electron's program is not installed" }
  expect(findDesktop({ ...linux, manifest: undefined })).toEqual({ missing: 'Electron is not installed' })
  expect(findDesktop(linux)).toEqual(missing)
  await writeFile(join(dir, 'path.txt'), 'App/electron')
  expect(findDesktop(linux)).toEqual(missing)
  const program = join(dir, 'dist', 'App', 'electron')
  await mkdir(join(program, '..'), { recursive: true })
  await writeFile(program, '')
  expect(findDesktop(linux)).toEqual({ program })
  expect(findDesktop({ ...linux, root: true })).toEqual({ missing: 'Electron does not run as root' })
  for (const env of [{}, { DISPLAY: '' }]) {
    expect(findDesktop({ ...linux, env })).toEqual({ missing: 'there is no display' })
    expect(findDesktop({ ...linux, env, platform: 'darwin' })).toEqual({ program })
    expect(findDesktop({ ...linux, env, platform: 'win32' })).toEqual({ program })
  }
  expect(findDesktop({ ...linux, env: { WAYLAND_DISPLAY: 'wayland-0' } })).toEqual({ program })

  // A build of one's own goes first, and is not replaced by the fetched one.
  const own = join(dir, 'own')
  const env = { ...linux.env, ELECTRON_OVERRIDE_DIST_PATH: own }
  expect(findDesktop({ ...linux, env })).toEqual(missing)
  await mkdir(join(own, 'App'), { recursive: true })
  await writeFile(join(own, 'App', 'electron'), '')
  expect(findDesktop({ ...linux, env })).toEqual({ program: join(own, 'App', 'electron') })
})

test.skipIf(process.platform === 'win32')(
  'the app is run on its folder, with the data folder, to its end',
  async () => {
    await using folder = await temporaryFolder()
    const { dir } = folder
    const program = join(dir, 'electron')
    const script = `#!/bin/sh\nprintf '%s|%s|%s' "$1" "$ADYTON_DATA" "\${ELECTRON_RUN_AS_NODE-unset}" > '${dir}/note'\nexit 7\n`
    await writeFile(program, script)
    await chmod(program, 0o755)
    vi.stubEnv('ELECTRON_RUN_AS_NODE', '1')
    expect(await runDesktop(program, 'the app', 'the data')).toBe(7)
    vi.unstubAllEnvs()
    expect(await readFile(join(dir, 'note'), 'utf8')).toBe('the app|the data|unset')
    await expect(runDesktop(join(dir, 'none'), '', '')).rejects.toThrow('ENOENT')
  },
)
