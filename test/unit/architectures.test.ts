import { existsSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { ARCHITECTURES, architecture } from '../../core/architectures/index.ts'
import { resnet } from '../../core/architectures/resnet.ts'
import { AdytonError } from '../../core/errors/errors.ts'
import { countNetwork } from '../../core/network/counts.ts'
import { parseGraph } from '../../core/network/schema.ts'
import { inferShapes } from '../../core/network/shapes.ts'

const TABLES = fileURLToPath(new URL('../../../shared/papers/tables.json', import.meta.url))

interface Row {
  readonly name: string
  readonly relus_k: number
  readonly macs_m?: number
}

/** Printed as thousands with two decimals at most. */
const thousands = (n: number, digits = 2): number => Number((n / 1000).toFixed(digits))

describe('every architecture', () => {
  it.each(ARCHITECTURES)('%s is a valid graph with the asked number of outputs', (name) => {
    const graph = architecture(name, { classes: 7 })
    const shapes = inferShapes(graph)
    expect(shapes.get(graph.nodes[graph.nodes.length - 1].id)).toEqual([7])
    expect(parseGraph(JSON.parse(JSON.stringify(graph)))).toEqual(graph)
  })

  it.each(ARCHITECTURES)('%s splits its counts over its stages without rest', (name) => {
    const counts = countNetwork(architecture(name, { classes: 7 }))
    for (const key of ['relus', 'macs', 'params'] as const) {
      expect(counts.stages.reduce((sum, stage) => sum + stage[key], 0)).toBe(counts[key])
    }
  })

  it('an unknown name is an error that lists the known ones', () => {
    const error = (() => {
      try {
        return architecture('resnet9000', { classes: 10 })
      } catch (e) {
        return e
      }
    })()
    expect(error).toBeInstanceOf(AdytonError)
    expect(error).toMatchObject({ code: 'model-not-found', advice: expect.stringContaining('resnet18') as string })
  })

  it('takes another input size', () => {
    const small = countNetwork(architecture('resnet18', { classes: 10, inputShape: [3, 32, 32] }))
    const large = countNetwork(architecture('resnet18', { classes: 10, inputShape: [3, 64, 64] }))
    expect(large.relus).toBe(4 * small.relus)
  })
})

describe('ReLU counts by formula', () => {
  /** Stem and 2 ReLUs a block, channels doubling while the area falls to a quarter. */
  const residual = (channels: number, blocks: readonly number[]): number =>
    channels * 1024 + blocks.reduce((sum, n, s) => sum + (2 * n * channels * 1024) / 2 ** s, 0)

  it.each([
    ['resnet18', residual(64, [2, 2, 2, 2])],
    ['resnet34', residual(64, [3, 4, 6, 3])],
    ['resnet20', residual(16, [3, 3, 3])],
    ['resnet32', residual(16, [5, 5, 5])],
    ['resnet56', residual(16, [9, 9, 9])],
    ['minionn-mnist', 16 * 24 * 24 + 16 * 8 * 8 + 100],
  ])('%s', (name, expected) => {
    expect(countNetwork(architecture(name, { classes: 10 })).relus).toBe(expected)
  })

  it.each([
    ['wrn22x8', 3],
    ['wrn16x8', 2],
  ])('%s: two a block, the first of a stage on the old width and size, one at the end', (name, n) => {
    const sizes = [16 * 1024, 128 * 1024, 256 * 256, 512 * 64]
    const stages = [1, 2, 3].map((s) => sizes[s - 1] + (2 * n - 1) * sizes[s])
    expect(countNetwork(architecture(name, { classes: 10 })).relus).toBe(stages[0] + stages[1] + stages[2] + sizes[3])
  })
})

describe.runIf(existsSync(TABLES))('the tables of the papers (skipped where ../shared/papers is missing)', () => {
  const tables: unknown = existsSync(TABLES) ? JSON.parse(readFileSync(TABLES, 'utf8')) : {}
  const { architectures } = tables as {
    readonly architectures: {
      readonly cifar100: readonly Row[]
      readonly cryptonas_wrn_cifar10: readonly { readonly model: string; readonly relus_k: number }[]
    }
  }
  const row = (name: string): Row => {
    const found = architectures.cifar100.find((r) => r.name === name)
    if (found === undefined) throw new Error(`no row ${name}`)
    return found
  }

  it.each([
    ['resnet18', 'ResNet18'],
    ['resnet34', 'ResNet34'],
    ['wrn22x8', 'WRN22x8'],
  ])('%s has their ReLUs exactly and their MACs within 1.5%%', (name, paper) => {
    const { relus, macs } = countNetwork(architecture(name, { classes: 100 }))
    const { relus_k: relusK, macs_m: macsM = NaN } = row(paper)
    expect(thousands(relus)).toBe(relusK)
    expect(Math.abs(macs / 1e6 / macsM - 1)).toBeLessThan(0.015)
  })

  it('ResNet-18 without the stem ReLU', () => {
    const graph = resnet({
      name: 'no stem',
      classes: 100,
      inputShape: [3, 32, 32],
      channels: [64, 128, 256, 512],
      blocks: [2, 2, 2, 2],
      stemRelu: false,
    })
    expect(thousands(countNetwork(graph).relus)).toBe(row('ResNet18-no-stem-relu').relus_k)
  })

  it('WRN-16-8 in whole thousands', () => {
    const printed = architectures.cryptonas_wrn_cifar10.find((r) => r.model === 'WRN-16-8')
    expect(Math.floor(countNetwork(architecture('wrn16x8', { classes: 10 })).relus / 1000)).toBe(printed?.relus_k)
  })

  const hybrids = existsSync(TABLES)
    ? (architectures.cifar100 as readonly (Row & { stage_channels?: number[]; blocks?: number[] })[]).filter(
        (r) => r.name.startsWith('HRN') && r.stage_channels !== undefined && r.macs_m !== undefined,
      )
    : []
  it.each(hybrids.map((r) => [r.name, r] as const))('%s, built by the same block builder', (name, r) => {
    const graph = resnet({
      name,
      classes: 100,
      inputShape: [3, 32, 32],
      channels: r.stage_channels ?? [],
      blocks: r.blocks ?? [2, 2, 2, 2],
    })
    const { relus, macs } = countNetwork(graph)
    expect(thousands(relus)).toBe(r.relus_k)
    expect(Math.abs(macs / 1e6 / (r.macs_m ?? NaN) - 1)).toBeLessThan(0.015)
  })

  it('the shares of the stages of ResNet18(m=32)-2x2x2x', () => {
    const graph = resnet({
      name: '2x2x2x',
      classes: 100,
      inputShape: [3, 32, 32],
      channels: [32, 64, 128, 256],
      blocks: [2, 2, 2, 2],
    })
    const { relus, stages } = countNetwork(graph)
    const printed = architectures.cifar100.find((r) => r.name === 'ResNet18(m=32)-2x2x2x') as Row & {
      readonly stage_share: readonly number[]
    }
    expect(stages.map((stage) => Number(((100 * stage.relus) / relus).toFixed(2)))).toEqual(printed.stage_share)
  })
})
