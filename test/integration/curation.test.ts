/** The curator's commands one after another, on generated pictures: train, linearise, evaluate, run privately. */
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { adyton } from '../fixtures/command.ts'

const folder = mkdtempSync(join(tmpdir(), 'adyton-curation-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))
const full = join(folder, 'full')
const small = join(folder, 'small')

describe('from nothing to a private inference', () => {
  test('train writes a model that it measured, and going on with a finished job changes nothing', async () => {
    const args = ['train', '--arch', 'lenet-tiny', '--dataset', 'generated', '--out', full, '--epochs', '1', '--json']
    const first = await adyton(...args)
    expect(first.stderr).toContain('train epoch 1 of 1')
    expect(first.code).toBe(0)
    const result = JSON.parse(first.stdout) as { accuracy: number; images: number; relus: number }
    expect(result.accuracy).toBeGreaterThan(0.05)
    const weights = readFileSync(join(full, 'weights.safetensors'))
    const again = await adyton(...args)
    expect(JSON.parse(again.stdout)).toMatchObject({ accuracy: result.accuracy, relus: result.relus })
    expect(readFileSync(join(full, 'weights.safetensors')).equals(weights)).toBe(true)
  })

  test('linearize keeps exactly the budget and writes the recipe beside the model', async () => {
    const args = ['--method', 'random', '--budget', '500', '--finetune', '1', '--out', small, '--json']
    const { code, stdout } = await adyton('linearize', '--model', full, '--dataset', 'generated', ...args)
    expect(code).toBe(0)
    const result = JSON.parse(stdout) as { relus: { before: number; after: number } }
    expect(result.relus.after).toBe(500)
    expect(result.relus.before).toBeGreaterThan(500)
    expect(JSON.parse(readFileSync(join(small, 'recipe.json'), 'utf8'))).toMatchObject({ name: 'random to 500 ReLUs' })
    expect(existsSync(join(small, 'relus.svg'))).toBe(true)
  })

  test('evaluate measures what the card says, and the model runs privately as in the clear', async () => {
    const measured = await adyton('evaluate', '--model', small, '--dataset', 'generated', '--json')
    const { accuracy, relus } = JSON.parse(measured.stdout) as { accuracy: number; relus: number }
    const card = JSON.parse(readFileSync(join(small, 'card.json'), 'utf8')) as { accuracy: { top1: number } }
    expect(accuracy).toBe(card.accuracy.top1)
    expect(relus).toBe(500)
    const data = ['--dataset', 'generated', '--count', '2', '--verify', '--json']
    const inferred = await adyton('infer', '--model', small, ...data)
    expect(inferred.code).toBe(0)
    expect(JSON.parse(inferred.stdout)).toMatchObject({ images: 2, verified: true, relus: 500 })
  })

  test('what is made goes into the catalog with where it comes from', async () => {
    const catalog = ['--keep', '--data', join(folder, 'data'), '--json']
    const json = async (...args: string[]): Promise<unknown> => {
      const { code, stdout, stderr } = await adyton(...args)
      expect(code, stderr).toBe(0)
      return JSON.parse(stdout)
    }
    const data = ['--dataset', 'generated']
    // The finished job of before: nothing is trained again.
    const made = (await json('train', '--arch', 'lenet-tiny', ...data, '--out', full, '--epochs', '1', ...catalog)) as {
      id: string
    }
    const args = ['--method', 'random', '--budget', '400', '--finetune', '1', ...data, '--out', join(folder, 'kept')]
    const { id } = (await json('linearize', '--model', `zoo:${made.id}`, ...args, ...catalog)) as { id: string }
    const { edges } = (await json('zoo', 'lineage', id, ...catalog.slice(1))) as { edges: unknown[] }
    expect(edges).toEqual([
      expect.objectContaining({
        child: made.id,
        parent: null,
        relation: 'trained-from',
        source: expect.stringMatching(/^lenet-tiny on /) as string,
      }),
      expect.objectContaining({
        ...{ child: id, parent: made.id, relation: 'linearised-from', recipe: 'random to 400 ReLUs' },
      }),
    ])
  })

  test('a model is trained on with the normalisation of its own card', async () => {
    const shifted = join(folder, 'shifted')
    cpSync(full, shifted, { recursive: true, filter: (path) => !path.endsWith('job') })
    const card = JSON.parse(readFileSync(join(full, 'card.json'), 'utf8')) as Record<string, unknown>
    const preprocessing = { mean: [1.5, 0, 0.5], std: [0.2, 1, 2], invert: false }
    writeFileSync(join(shifted, 'card.json'), JSON.stringify({ ...card, preprocessing }))
    const recipe = join(folder, 'still.json')
    const steps = [{ step: 'finetune', epochs: 1, schedule: { kind: 'constant', rate: 1e-12 } }]
    writeFileSync(recipe, JSON.stringify({ version: 1, name: 'stands still', steps }))
    const accuracyOf = async (model: string): Promise<number> => {
      const { stdout } = await adyton('evaluate', '--model', model, '--dataset', 'generated', '--json')
      return (JSON.parse(stdout) as { accuracy: number }).accuracy
    }
    const still = join(folder, 'still')
    const made = ['--model', shifted, '--dataset', 'generated', '--recipe', recipe, '--out', still, '--json']
    const { code, stdout, stderr } = await adyton('linearize', ...made)
    expect(code, stderr).toBe(0)
    const { accuracy } = JSON.parse(stdout) as { accuracy: { after: number } }
    // The card of the new model says how evaluate normalises: both must mean the same images.
    expect(accuracy.after).toBe(await accuracyOf(still))
    expect(JSON.parse(readFileSync(join(still, 'card.json'), 'utf8'))).toMatchObject({ preprocessing })
  })

  test('a sweep gives a front and keeps its points', async () => {
    const file = join(folder, 'sweep.json')
    const steps = [
      { step: 'random-masks', budget: 'sweep' },
      { step: 'finetune', epochs: 1, loss: { kind: 'cross-entropy' } },
    ]
    const recipe = { version: 1, name: 'random', batches: { size: 256 }, steps }
    writeFileSync(file, JSON.stringify({ version: 1, name: 'random', budgets: [200, 900], recipe }))
    const args = ['--model', full, '--dataset', 'generated', '--sweep', file, '--out', join(folder, 'front'), '--json']
    const { code, stdout } = await adyton('sweep', ...args)
    expect(code).toBe(0)
    const { rows } = JSON.parse(stdout) as { rows: { budget: number; relus: number }[] }
    expect(rows.map((row) => row.relus)).toEqual([200, 900])
    expect(existsSync(join(folder, 'front', 'pareto.svg'))).toBe(true)
  })
})

test.each([
  [['linearize', '--model', 'digits', '--dataset', 'generated', '--out', join(folder, 'x')], /budget/],
  [['train', '--arch', 'lenet-tiny', '--dataset', folder, '--out', join(folder, 'y')], /no data set/],
  [['evaluate', '--model', 'digits', '--dataset', 'generated'], /takes 1x28x28/],
])('%j fails in words', async (args, words) => {
  const { code, stderr } = await adyton(...args)
  expect(code).not.toBe(0)
  expect(stderr).toMatch(words)
  expect(stderr).not.toContain('[internal]')
})
