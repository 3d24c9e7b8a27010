/** The command as people and scripts use it: documents on standard output, exit codes, errors that say what to do. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { adyton, finish, ROOT, start } from '../fixtures/command.ts'
import { datasetFolder } from '../fixtures/datasets.ts'

const folder = mkdtempSync(join(tmpdir(), 'adyton-cli-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))
const seven = join(ROOT, 'resources/samples/seven.png')
const mnist = datasetFolder('mnist-10k')

interface Times {
  wallMs: number
  cpuMs: { client: number; server: number | null }
  kinds: Record<'he' | 'gc' | 'ot' | 'share' | 'wait', number>
}

function checkTimes({ wallMs, cpuMs, kinds }: Times): void {
  expect(wallMs).toBeGreaterThan(0)
  expect(cpuMs.client).toBeGreaterThan(0)
  expect(Object.keys(kinds).sort()).toEqual(['gc', 'he', 'ot', 'share', 'wait'])
  const sum = Object.values(kinds).reduce((a, b) => a + b, 0)
  expect(Math.abs(sum - wallMs)).toBeLessThan(1e-6 * wallMs + 1e-6)
}

describe('describe', () => {
  test('counts a named architecture', async () => {
    const { code, stdout } = await adyton('describe', '--arch', 'resnet18', '--classes', '100', '--json')
    expect(code).toBe(0)
    const result = JSON.parse(stdout) as { relus: number; macs: number; params: number; stages: { relus: number }[] }
    // 65,536 positions after the stem and each half block of stage 1, then half as many a stage.
    expect(result.relus).toBe(5 * 65_536 + 4 * (32_768 + 16_384 + 8_192))
    expect(result.stages.reduce((sum, stage) => sum + stage.relus, 0)).toBe(result.relus)
    expect(result.macs).toBeGreaterThan(0)
    expect(result.params).toBeGreaterThan(11e6)
  })

  test('states exact bytes before anything runs', async () => {
    const network = ['--arch', 'lenet-tiny', '--random-weights', '--seed', 'costs']
    const described = await adyton('describe', ...network, '--costs', '--json')
    const inferred = await adyton('infer', ...network, '--json')
    const { costs } = JSON.parse(described.stdout) as { costs: { bytes: unknown } }
    const { bytes } = JSON.parse(inferred.stdout) as { bytes: unknown }
    expect(costs.bytes).toEqual(bytes)
  })

  test('names the architectures it knows', async () => {
    const { code, stdout, stderr } = await adyton('describe', '--arch', 'resnet19', '--json')
    expect(code).toBe(1)
    expect(JSON.parse(stdout)).toMatchObject({ error: { code: 'model-not-found' } })
    expect(stderr).toContain('resnet18')
  })
})

describe('usage', () => {
  test.each([
    [['infer']],
    [['infer', '--model', 'digits', '--arch', 'resnet18']],
    [['infer', '--arch', 'resnet18']],
    [['infer', '--model', 'digits', '--count', 'many']],
    [['describe', '--arch', 'resnet18', '--relu-keep', '1.5']],
    [['connect', 'nowhere', '--fingerprint', 'ab', '--input', seven]],
    [['nonsense']],
  ])('%j ends with exit code 2', async (args) => {
    const { code, stderr } = await adyton(...args)
    expect(code).toBe(2)
    expect(stderr).not.toBe('')
  })

  test.each([
    'infer',
    'describe',
    'models',
    'serve',
    'connect',
    'identity',
    'pair',
    'peers',
    'forget',
    'rename',
    'test',
  ])('%s has help with an example', async (name) => {
    const { code, stdout } = await adyton(name, '--help')
    expect(code).toBe(0)
    expect(stdout).toMatch(/Example:\n\s+npm run -s adyton -- /)
  })
})

describe('the digits model', () => {
  test('is listed', async () => {
    const { code, stdout } = await adyton('models', '--json')
    expect(code).toBe(0)
    const rows = JSON.parse(stdout) as { id: string; accuracy: number; relus: number }[]
    expect(rows.map((row) => row.id)).toContain('digits')
    expect(rows.find((row) => row.id === 'digits')?.accuracy).toBeGreaterThanOrEqual(0.98)
  })

  test('reads a drawn picture', async () => {
    const { code, stdout } = await adyton('infer', '--model', 'digits', '--input', seven, '--verify', '--json')
    expect(code).toBe(0)
    const result = JSON.parse(stdout) as {
      predictions: { label: number }[]
      verified: boolean
      maxLsbError: number
      phases: { offline: Times; online: Times }
      layers: { id: string }[]
    }
    expect(result.predictions[0].label).toBe(7)
    expect(result.verified).toBe(true)
    expect(result.maxLsbError).toBe(0)
    checkTimes(result.phases.offline)
    checkTimes(result.phases.online)
    expect(result.layers.length).toBeGreaterThan(3)
  })

  test('says what is wrong with a file that is no picture', async () => {
    const file = join(folder, 'notes.png')
    writeFileSync(file, 'no picture')
    const { code, stdout, stderr } = await adyton('infer', '--model', 'digits', '--input', file, '--json')
    expect(code).toBe(1)
    expect((JSON.parse(stdout) as { error: { code: string } }).error.code).toMatch(/^file-/)
    expect(stderr).toContain('notes.png')
  })

  test.skipIf(mnist === undefined)('agrees with the clear run on real digits (needs mnist-10k)', async () => {
    const data = ['--dataset', mnist as string, '--split', 'test', '--count', '10']
    const { code, stdout } = await adyton('infer', '--model', 'digits', ...data, '--json')
    expect(code).toBe(0)
    const result = JSON.parse(stdout) as { images: number; agreement: number; maxLsbError: number; accuracy: number }
    expect(result.images).toBe(10)
    expect(result.agreement).toBe(1)
    expect(result.maxLsbError).toBeLessThanOrEqual(4)
    expect(result.accuracy).toBeGreaterThanOrEqual(0.8)
  })
})

describe('serve and connect', () => {
  test('two commands with pinned certificates', async () => {
    const server = start(['serve', '--model', 'digits', '--allow-first', '--data', join(folder, 'server'), '--json'])
    let said = ''
    const address = new Promise<[string, string]>((resolve, reject) => {
      server.stderr.setEncoding('utf8').on('data', (text: string) => {
        said += text
        const found = /connect (\S+) --fingerprint ([0-9a-f]{64})/.exec(said)
        if (found !== null) resolve([found[1], found[2]])
      })
      server.on('exit', () => reject(new Error(`the server ended: ${said}`)))
    })
    const ended = finish(server)
    const [where, fingerprint] = await address
    expect(said).toContain('A client that deviates can extract')
    const client = ['--data', join(folder, 'client'), '--input', seven, '--json']
    const answer = await adyton('connect', where, '--fingerprint', fingerprint, ...client)
    expect(answer.code).toBe(0)
    const result = JSON.parse(answer.stdout) as {
      predictions: { label: number }[]
      phases: { offline: Times; online: Times }
    }
    expect(result.predictions[0].label).toBe(7)
    checkTimes(result.phases.online)

    // The first client was pinned: another identity is refused, and a wrong fingerprint is noticed by the client.
    const stranger = ['--data', join(folder, 'stranger'), '--input', seven, '--json']
    const refused = await adyton('connect', where, '--fingerprint', fingerprint, ...stranger)
    expect(JSON.parse(refused.stdout)).toMatchObject({ error: { code: 'peer-untrusted' } })
    const wrong = await adyton('connect', where, '--fingerprint', '0'.repeat(64), ...client)
    expect(JSON.parse(wrong.stdout)).toMatchObject({ error: { code: 'peer-untrusted' } })

    server.kill('SIGINT')
    const { code, stdout } = await ended
    expect(code).toBe(0)
    expect(JSON.parse(stdout)).toMatchObject({ prepared: 1, inferences: 1 })

    const closed = await adyton('connect', where, '--fingerprint', fingerprint, ...client)
    expect(closed.code).toBe(1)
    expect(JSON.parse(closed.stdout)).toMatchObject({ error: { code: 'peer-unreachable' } })
  })
})
