/** HybReNets by name against DeepReShape's tables 6, 16 and 17. */
import { describe, expect, it, test } from 'vitest'
import { architecture } from '../../core/architectures/index.ts'
import { AdytonError } from '../../core/errors/errors.ts'
import { cull, thin } from '../../core/linearize/layers.ts'
import { countKept, masksOf } from '../../core/linearize/masks.ts'
import { countNetwork } from '../../core/network/counts.ts'

describe('counts of the paper', () => {
  // ReLUs in thousands and MACs in millions as printed, for CIFAR-100.
  it.each([
    ['hrn-5x5x3x', 343, 1055],
    ['hrn-5x7x2x', 379, 1273],
    ['hrn-6x6x2x', 401, 1368],
    ['hrn-7x5x2x', 412, 1328],
    ['hrn-2x5x3x', 186, 179],
    ['hrn-2x7x2x', 201, 213],
    ['hrn-2x6x2x', 188, 163],
    ['hrn-2x5x2x', 176, 119],
  ])('%s: %i thousand ReLUs, %i million MACs', (name, relus, macs) => {
    const counts = countNetwork(architecture(name, { classes: 100 }))
    // Printed without decimals, some cut and some rounded.
    expect(Math.abs(counts.relus / 1000 - relus)).toBeLessThan(1)
    expect(Math.abs(counts.macs / 1e6 / macs - 1)).toBeLessThan(0.015)
  })

  // Table 6: the first stage culled, the others thinned.
  it.each([
    ['hrn-2x5x3x-m32', 104.4, 714.1],
    ['hrn-2x5x3x-m16', 52.2, 178.5],
    ['hrn-2x5x3x-m8', 26.1, 44.6],
  ])('%s culled and thinned: %d thousand ReLUs, %d million MACs', (name, relus, macs) => {
    const graph = architecture(name, { classes: 100 })
    const masks = thin(graph, cull(graph, masksOf({ graph, tensors: new Map() }), 0), { stages: [1, 2, 3] })
    expect(Number((countKept(graph, masks) / 1000).toFixed(1))).toBe(relus)
    expect(Math.abs(countNetwork(graph).macs / 1e6 / macs - 1)).toBeLessThan(0.015)
  })
})

test('no width is the width of 16', () => {
  const named = (name: string): unknown => ({ ...architecture(name, { classes: 10 }), name: '' })
  expect(named('hrn-2x5x3x')).toEqual(named('hrn-2x5x3x-m16'))
})

test.each(['hrn-2x5x3', 'hrn-0x5x3x', 'hrn-2x5x3x-m0', 'hrn-2x5x3x-m', 'hrn-99x99x99x', 'hrn-2x5x3x-m999'])(
  '%s is refused with what there is',
  (name) => {
    const error = (() => {
      try {
        return architecture(name, { classes: 10 })
      } catch (e) {
        return e
      }
    })()
    expect(error).toBeInstanceOf(AdytonError)
    expect(error).toMatchObject({ advice: expect.stringContaining('hrn-2x5x3x-m8') as string })
  },
)
