import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { architecture } from '../../core/architectures/index.ts'
import { AdytonError } from '../../core/errors/errors.ts'
import { lower } from '../../core/network/lower/lower.ts'
import { decodePlan, encodePlan, planDigest, planFromJson, planToJson } from '../../core/network/plan-json.ts'
import type { Plan } from '../../core/network/plan.ts'
import { normals, randomMasks, randomTensors } from '../../core/network/tensors.ts'
import { planner, prg } from '../unit/network-helpers.ts'

function plan(seed: number, keep: number): Plan {
  const { graph, masks } = randomMasks(architecture('lenet-tiny', { classes: 4 }), keep, prg(seed))
  const tensors = new Map([...randomTensors(graph, prg(seed + 1)), ...masks])
  return lower(graph, tensors, [normals(prg(seed + 2), 784)], planner).plan
}

/** Every path into JSON data. */
function paths(json: unknown, at: readonly (string | number)[] = []): (readonly (string | number)[])[] {
  if (typeof json !== 'object' || json === null) return [at]
  const keys = Array.isArray(json) ? [...json.keys()] : Object.keys(json)
  return [at, ...keys.flatMap((key) => paths((json as Record<string | number, unknown>)[key], [...at, key]))]
}

/** The data with one place replaced, or removed for undefined. */
function replaced(json: unknown, path: readonly (string | number)[], by: unknown): unknown {
  if (path.length === 0) return by
  const [key, ...rest] = path
  if (Array.isArray(json)) return json.map((x: unknown, i) => (i === key ? replaced(x, rest, by) : x))
  const object = json as Record<string, unknown>
  return { ...object, [key]: replaced(object[key], rest, by) }
}

const hostile = fc.oneof(
  fc.constantFrom(0, -1, 1, 2, 3, 59, 60, 1999, 2000, 2 ** 24, 2 ** 31, 2 ** 53, 1e308, -1e308, 0.5, 'all', '', 'AAAA'),
  fc.constantFrom(null, true, undefined, [], {}, [1], [1, 1, 1], { op: 'linear' }, '__proto__', 'A'.repeat(4096)),
  fc.integer(),
  fc.double(),
  fc.string(),
  fc.jsonValue(),
)

describe('plans as JSON', () => {
  it('round-trip for any mask', () => {
    fc.assert(
      fc.property(fc.nat(1000), fc.double({ min: 0, max: 1, noNaN: true }), (seed, keep) => {
        const made = plan(seed, keep)
        const back = decodePlan(encodePlan(made))
        expect(back).toEqual(made)
        expect(planDigest(back)).toBe(planDigest(made))
      }),
      { numRuns: 15 },
    )
  })

  it('mutated anywhere, are read or refused with a coded error, never anything else', () => {
    const json = planToJson(plan(1, 0.5))
    const places = paths(json)
    let refused = 0
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(places.length - 1), hostile), { minLength: 1, maxLength: 3 }), (edits) => {
        let mutated: unknown = json
        for (const [place, by] of edits) {
          try {
            mutated = replaced(mutated, places[place], by)
          } catch {
            // An earlier edit took away the place of this one.
          }
        }
        try {
          const read = planFromJson(mutated)
          // What is accepted has one canonical form.
          expect(planDigest(decodePlan(encodePlan(read)))).toBe(planDigest(read))
        } catch (error) {
          if (!(error instanceof AdytonError)) throw error
          expect(['plan-invalid', 'version-mismatch']).toContain(error.code)
          refused++
        }
      }),
      { numRuns: 1500 },
    )
    expect(refused).toBeGreaterThan(750)
  })

  it('damaged as bytes, likewise', () => {
    const bytes = encodePlan(plan(1, 0.5))
    fc.assert(
      fc.property(fc.nat(bytes.length - 1), fc.nat(255), fc.nat(bytes.length), (at, byte, length) => {
        const damaged = bytes.slice(0, Math.max(at + 1, length))
        damaged[at] = byte
        try {
          decodePlan(damaged)
        } catch (error) {
          expect(error).toBeInstanceOf(AdytonError)
        }
      }),
      { numRuns: 300 },
    )
  })

  it('claims of huge sizes cost nothing', () => {
    const json = planToJson(plan(1, 0.5))
    const values = json.values.map((value) => ({ ...value, shape: [2 ** 8, 2 ** 8, 2 ** 8], length: 2 ** 24 }))
    const before = process.memoryUsage().arrayBuffers
    for (let i = 0; i < 20; i++) {
      expect(() => planFromJson({ ...json, values })).toThrow(AdytonError)
    }
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(2 ** 24)
  })
})
