/** What the inference screen makes of an account: rows, tables, differences; and the digits that it offers. */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import sharp from 'sharp'
import { expect, test } from 'vitest'
import { loadPicture } from '../../core/api/inference/images.ts'
import { loadNetwork } from '../../core/api/source.ts'
import { argmax } from '../../core/network/fixed.ts'
import { floatRunner } from '../../core/network/float.ts'
import { byBlock, blockOf, segments, sum, type Amounts } from '../../renderer/charts/stacked.ts'
import { byteData, partyData, readAccount, timeData, type Account } from '../../renderer/inference/account.ts'
import { change, compareFigures, compareLayers } from '../../renderer/inference/comparison.ts'
import { accountRows, fileName } from '../../renderer/inference/export.ts'
import { PEN, sampleDigit, SIDE, strokePath } from '../../renderer/inference/strokes.ts'
import { temporaryFolder } from '../fixtures/zoo.ts'

const times = (he: number, gc: number, wait = 0): Amounts => ({ he, gc, ot: 0, share: 0, wait })
const ways = (up: number, down: number) => ({ clientToServer: up, serverToClient: down })
const kinds = (he: number, gc: number) => ({ he: ways(he, 0), gc: ways(0, gc), ot: ways(0, 0), share: ways(0, 0) })

function stored(): Record<string, unknown> {
  const layer = (id: string, he: number, gc: number) => ({
    ...{ id, op: 'linear', offline: times(9, 9), online: times(9, 9) },
    time: { offline: times(he, 0, 1), online: times(0, gc) },
    bytes: { offline: ways(he, 0), online: ways(0, gc) },
    kindBytes: { offline: kinds(he, 0), online: kinds(0, gc) },
  })
  const phase = (all: Amounts) => ({ wallMs: sum(all), cpuMs: { client: 5, server: null }, kinds: all })
  return {
    images: 1,
    relus: 100,
    phases: { setup: { wallMs: 1 }, offline: phase(times(40, 0, 7)), online: phase(times(0, 12)) },
    layers: [layer('stage1.0.conv', 10, 0), layer('stage1.0.relu', 0, 8), layer('=fc', 20, 4)],
    bytes: { offline: ways(33, 0), online: ways(0, 12) },
    kindBytes: { offline: kinds(33, 0), online: kinds(0, 12) },
    predictions: [{ label: 3, name: 'three' }],
  }
}

function account(change: (all: Record<string, unknown>) => void = () => undefined): Account {
  const all = stored()
  change(all)
  const read = readAccount(all)
  if (read === undefined) throw new Error('the account was refused')
  return read
}

test('rows add up to the total: what belongs to no layer has a row of its own', () => {
  for (const data of [timeData(account()), byteData(account())]) {
    for (const [i, cell] of (data?.total?.cells ?? []).entries()) {
      const rows = data?.rows.map(({ cells }) => sum(cells[i])) ?? []
      expect(rows.reduce((a, b) => a + b, 0)).toBe(sum(cell))
    }
  }
  expect(timeData(account()).rows.at(-1)?.cells).toEqual([times(10, 0, 4), times(0, 0)])
  expect(partyData(account())).toBeNull()
})

test('without the time by layer, each shows the work, and the total is still the total', () => {
  const plain = account((all) => {
    for (const layer of all.layers as Record<string, unknown>[]) delete layer.time
  })
  expect(timeData(plain).rows[0].cells[0]).toEqual(times(9, 9))
  expect(sum(timeData(plain).total?.cells[0] ?? times(0, 0))).toBe(47)
})

test('what another version stored is refused', () => {
  expect(readAccount({ ...stored(), phases: {} })).toBeUndefined()
  expect(readAccount(null)).toBeUndefined()
  expect(readAccount({ ...stored(), layers: [{ id: 1 }] })).toBeUndefined()
})

test('layers of a block are added up in their order', () => {
  expect(['stem.conv', 'stage1.0.a.conv', 'fc'].map(blockOf)).toEqual(['stem', 'stage1.0', 'fc'])
  const blocks = byBlock(timeData(account()).rows)
  expect(blocks.map(({ label }) => label)).toEqual(['stage1.0', '=fc', 'between layers'])
  expect(blocks[0].cells).toEqual([times(10, 0, 2), times(0, 8)])
  expect(segments(times(2, 0, 3), ['he', 'gc', 'wait'])).toEqual([
    { kind: 'he', from: 0, to: 2 },
    { kind: 'wait', from: 2, to: 5 },
  ])
})

test('a table has a line for each layer and the total, in which every column adds up', () => {
  const [header, ...lines] = accountRows(account())
  expect(lines.map(([id]) => id)).toEqual(['stage1.0.conv', 'stage1.0.relu', '=fc', 'between layers', 'total'])
  for (let column = 2; column < header.length; column++) {
    const [total, ...parts] = lines.map((line) => Number(line[column])).toReversed()
    expect(parts.reduce((a, b) => a + b, 0)).toBe(total)
  }
  expect(fileName('Élan vital/..\\7.png, digits-1k')).toBe('élan-vital-7-png-digits-1k')
  expect(fileName('!?')).toBe('inference')
})

test('differences are of the second from the first, and say what is better', () => {
  expect(change(200, 50)).toBe('−75.0% (× 0.250)')
  const cheaper = account((all) =>
    Object.assign(all, { relus: 25, bytes: { offline: ways(66, 0), online: ways(0, 6) } }),
  )
  const figures = new Map(compareFigures(account(), cheaper).map((figure) => [figure.name, figure]))
  expect(figures.get('ReLUs')).toMatchObject({ difference: '−75.0% (× 0.250)', verdict: null })
  expect(figures.get('Bytes offline')).toMatchObject({ difference: '+100% (× 2.00)', verdict: 'worse' })
  expect(figures.get('Bytes online')).toMatchObject({ verdict: 'better' })
  expect(figures.get('Offline')).toMatchObject({ difference: 'the same', verdict: null })
  const other = account((all) => (all.layers = (all.layers as unknown[]).slice(1)))
  expect(compareLayers(account(), other)[0]).toEqual({ id: 'stage1.0.conv', first: 11, second: null })
})

test('the digits that are offered are what they are called, to every bundled network of digits', async () => {
  await using folder = await temporaryFolder()
  const file = join(folder.dir, 'digit.png')
  for (const model of ['digits', 'digits-1k']) {
    const network = await loadNetwork({ model })
    const run = floatRunner(network.graph, network.tensors)
    for (let digit = 0; digit < 10; digit++) {
      const paths = sampleDigit(digit).map((stroke) => `<path d="${strokePath(stroke)}"/>`)
      const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="${SIDE}" height="${SIDE}"><rect width="100%" height="100%"
        fill="white"/><g fill="none" stroke="black" stroke-width="${PEN}" stroke-linecap="round"
        stroke-linejoin="round">${paths.join('')}</g></svg>`
      await writeFile(file, await sharp(Buffer.from(svg)).png().toBuffer())
      const image = await loadPicture(file, network)
      expect([model, digit, argmax(run(image).logits)]).toEqual([model, digit, digit])
    }
  }
})
