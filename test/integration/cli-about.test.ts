/** The commands that say what there is: about, settings, layers. */
import { describe, expect, test } from 'vitest'
import { adyton } from '../fixtures/command.ts'
import { temporaryFolder } from '../fixtures/zoo.ts'

describe('what there is', () => {
  test('about states licences, layers the ReLUs of a model', async () => {
    const about = await adyton('about')
    expect(about.code).toBe(0)
    expect(about.stdout).toMatch(/^Adyton \d+\.\d+\.\d+, Node 24/)
    expect(about.stdout).toMatch(/^valibot +\S+ +MIT$/m)
    const layers = await adyton('layers', 'digits')
    expect(layers.stdout).toMatch(/^relu1 +relu +16x24x24 .*9,216 of 9,216$/m)
  })

  test('settings are changed in part and stay', async () => {
    await using folder = await temporaryFolder()
    const settings = (...args: string[]) => adyton('settings', '--data', folder.dir, ...args)
    const changed = await settings('--change', '{"theme": "dark"}', '--json')
    expect(JSON.parse(changed.stdout)).toMatchObject({ theme: 'dark', motion: 'system' })
    expect((await settings()).stdout).toBe(changed.stdout.trimEnd() + '\n')
    const refused = await settings('--change', '{"theme": "pink"}')
    expect([refused.code, refused.stdout]).toEqual([2, ''])
    expect((await settings('--change', 'dark')).stderr).toContain('JSON')
  })
})
