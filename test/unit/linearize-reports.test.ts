/** Reports: the data, and pictures that another program (librsvg) can draw. */
import sharp from 'sharp'
import { describe, expect, test } from 'vitest'
import { architecture } from '../../core/architectures/index.ts'
import { countKept, reluLayers, uniformMasks, type Mask } from '../../core/linearize/masks.ts'
import { compact, ticks } from '../../core/linearize/reports/axes.ts'
import { barChart, lineChart } from '../../core/linearize/reports/charts.ts'
import { reportsOf } from '../../core/linearize/reports/bundle.ts'
import { heatMaps, heatMapSvg } from '../../core/linearize/reports/heat-map.ts'
import {
  capacitySvg,
  historySvg,
  layerReport,
  layerReportSvg,
  networkCapacity,
  paretoFront,
  paretoSvg,
} from '../../core/linearize/reports/reports.ts'
import { randomMasks } from '../../core/linearize/select.ts'

const resnet18 = architecture('resnet18', { classes: 10 })
const masks = randomMasks(resnet18, 100_000, 1)

interface Picture {
  readonly width: number
  readonly height: number
  /** Whether a pixel is darker than white. */
  inked(x: number, y: number): boolean
}

async function draw(svg: string): Promise<Picture> {
  const { data, info } = await sharp(Buffer.from(svg)).greyscale().raw().toBuffer({ resolveWithObject: true })
  return {
    width: info.width,
    height: info.height,
    inked: (x, y) => data[(Math.round(y) * info.width + Math.round(x)) * info.channels] < 250,
  }
}

function expectAccessible(svg: string): void {
  expect(svg).toMatch(/^<svg [^>]*role="img"[^>]*aria-labelledby="title description"/)
  expect(svg).toMatch(/<title id="title">[^<]+<\/title><desc id="description">[^<]+<\/desc>/)
  expect(svg).not.toMatch(/<script|href|NaN|undefined|Infinity/)
}

describe('layers', () => {
  const report = layerReport(resnet18, masks)

  test('before and after add up, by layer and by stage', () => {
    expect(report.total).toBe(557056)
    expect(report.kept).toBe(100_000)
    for (const key of ['total', 'kept'] as const) {
      expect(report.layers.reduce((sum, row) => sum + row[key], 0)).toBe(report[key])
      expect(report.stages.reduce((sum, row) => sum + row[key], 0)).toBe(report[key])
    }
    expect(report.stages.map((stage) => stage.id)).toEqual(resnet18.stages)
  })

  test('the picture has a bar of the right height for each layer, before and after', async () => {
    const svg = layerReportSvg(report)
    expectAccessible(svg)
    const bars = [
      ...svg.matchAll(/<rect x="[\d.]+" y="[\d.]+" width="[\d.]+" height="([\d.]+)" fill="([^"]+)"[^>]*><title>/g),
    ]
    expect(bars).toHaveLength(2 * 17)
    const heights = bars.map((bar) => Number(bar[1]))
    report.layers.forEach((row, i) => expect(heights[2 * i + 1] / heights[2 * i]).toBeCloseTo(row.kept / row.total, 1))
    // Told apart by pattern, not by colour alone.
    expect(new Set(bars.map((bar) => bar[2]))).toEqual(new Set(['#0072b2', 'url(#pattern-1)']))
    const picture = await draw(svg)
    expect(picture.width).toBeGreaterThan(300)
  })
})

describe('heat maps', () => {
  test('shares of channels at each pixel and of pixels in each channel', () => {
    const [first] = reluLayers(resnet18)
    const kept = new Uint8Array(first.size)
    // Channel 0 whole, and pixel (2, 3) of every channel.
    kept.fill(1, 0, 1024)
    for (let c = 0; c < 64; c++) kept[c * 1024 + 2 * 32 + 3] = 1
    const own = new Map<string, Mask>([...masks, [first.id, { granularity: 'element', kept }]])
    const [map] = heatMaps(resnet18, own)
    expect(map.pixels[2 * 32 + 3]).toBeCloseTo(1, 5)
    expect(map.pixels[0]).toBeCloseTo(1 / 64, 5)
    expect(map.perChannel[0]).toBeCloseTo(1, 4)
    expect(map.perChannel[1]).toBeCloseTo(1 / 1024, 5)
    expect(map.share).toBeCloseTo((1024 + 63) / 65536, 10)
  })

  test('the picture is dark where the mask keeps', async () => {
    const [first] = reluLayers(resnet18)
    const left = new Uint8Array(first.size).map((_, i) => (i % 32 < 16 ? 1 : 0))
    const maps = heatMaps(resnet18, new Map([...masks, [first.id, { granularity: 'element' as const, kept: left }]]))
    const svg = heatMapSvg(maps.slice(0, 1), 'Kept ReLUs')
    expectAccessible(svg)
    const picture = await draw(svg)
    // The square of 96 units at (16, 60).
    expect(picture.inked(16 + 24, 60 + 48)).toBe(true)
    expect(picture.inked(16 + 72, 60 + 48)).toBe(false)
  })

  test('a channel mask counts as its elements', () => {
    const channels = randomMasks(resnet18, 100_000, 3, { granularity: 'channel' })
    const sum = heatMaps(resnet18, channels).reduce(
      (all, map) => all + map.share * map.channels * map.height * map.width,
      0,
    )
    expect(sum).toBeCloseTo(countKept(resnet18, channels), 3)
  })
})

describe('course, capacity and front', () => {
  const rows = [
    { phase: 'sparsify', epoch: 0, accuracy: 0.9, relus: 500 },
    { phase: 'sparsify', epoch: 1, relus: 300 },
    { phase: 'fine-tune', epoch: 0, accuracy: 0.88, relus: 100 },
  ]

  test('accuracy and count by epoch, with the phases marked', async () => {
    const svg = historySvg(rows)
    expectAccessible(svg)
    expect(svg).toContain('>sparsify<')
    expect(svg).toContain('>fine-tune<')
    expect(svg).toContain('88% of test images')
    await draw(svg)
    expectAccessible(historySvg([{ phase: 'sparsify', epoch: 0, relus: 5 }]))
  })

  test('capacity of an allocation', async () => {
    const report = networkCapacity(resnet18, masks)
    expect(report.pairs).toHaveLength(16)
    const svg = capacitySvg(report)
    expectAccessible(svg)
    await draw(svg)
    const none = networkCapacity(resnet18, uniformMasks(resnet18, 'channel', 0))
    expect(none.pairs.every((pair) => pair.linearised === 2)).toBe(true)
  })

  test('the front leaves out what another point beats', () => {
    const points = [
      { relus: 50, accuracy: 0.8 },
      { relus: 10, accuracy: 0.7 },
      { relus: 40, accuracy: 0.69 },
      { relus: 50, accuracy: 0.75 },
      { relus: 60, accuracy: 0.8 },
    ]
    expect(paretoFront(points)).toEqual([points[1], points[0]])
    expectAccessible(paretoSvg([{ name: 'SNL', points }]))
  })

  test('text is escaped', async () => {
    const svg = paretoSvg([
      { name: '<b>&"\u0007', points: [{ relus: 1, accuracy: 1 }] },
      { name: 'x', points: [{ relus: 2, accuracy: 1 }] },
    ])
    expect(svg).not.toContain('<b>')
    await draw(svg)
  })

  test('charts refuse series that do not fit', () => {
    expect(() =>
      barChart({
        title: 't',
        description: 'd',
        labels: ['a'],
        labelsTitle: '',
        valueLabel: '',
        series: [{ name: 's', values: [] }],
      }),
    ).toThrow(RangeError)
    expect(() => lineChart({ title: 't', description: 'd', panels: [], xLabel: '' })).toThrow(RangeError)
  })
})

test('all reports of a recipe, as data that is JSON and as pictures', async () => {
  const step = { step: 'snl', relus: 100_000, macs: 1, params: 1, seconds: 1 }
  const epochs = [
    { phase: 'sparsify', epoch: 0, relus: 300_000, loss: 1, trainAccuracy: 0.5, accuracy: 0.4 },
    { phase: 'finetune', epoch: 0, relus: 100_000, loss: 1, trainAccuracy: 0.5 },
  ]
  const { data, pictures } = reportsOf({ graph: resnet18, masks, history: [{ ...step, epochs }] })
  expect([...pictures.keys()]).toEqual(['layers.svg', 'masks.svg', 'history.svg', 'capacity.svg'])
  for (const svg of pictures.values()) {
    expectAccessible(svg)
    await draw(svg)
  }
  expect(JSON.parse(JSON.stringify(data))).toEqual(data)
  expect(data.history.map((row) => row.phase)).toEqual(['1 sparsify', '1 finetune'])
  expect(data.heatMaps.map((map) => map.id)).toEqual(data.layers.layers.map((row) => row.id))
})

test('ticks are round and cover the range', () => {
  expect(ticks(0, 10)).toEqual([0, 2, 4, 6, 8, 10])
  expect(ticks(0.873, 0.912)).toEqual([0.87, 0.88, 0.89, 0.9, 0.91, 0.92])
  for (const [low, high] of [
    [0, 0],
    [5, 5],
    [-3, 7],
    [0, 557056],
    [1e-9, 3e-9],
  ]) {
    const list = ticks(low, high)
    expect(list[0]).toBeLessThanOrEqual(low)
    expect(list[list.length - 1]).toBeGreaterThanOrEqual(high)
    expect(list.length).toBeLessThan(15)
  }
  expect([compact(557056), compact(1_392_640), compact(12), compact(12345)]).toEqual(['557K', '1.39M', '12', '12.3K'])
})
