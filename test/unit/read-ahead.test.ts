/** What is read ahead of need, in which memory, and what a failure does. */
import { describe, expect, test } from 'vitest'
import { ReadAhead, type Wanted } from '../../core/protocol/store/read-ahead.ts'

/** Sections whose bytes count up; reads are answered when they are let. */
class Sections {
  readonly asked: string[] = []
  readonly memory = new Set<ArrayBufferLike>()
  readonly #given = new Map<string, number>()
  failing = ''

  async read(section: string, bytes: number, memory?: Uint8Array): Promise<Uint8Array> {
    this.asked.push(`${section} ${bytes}`)
    const target = memory?.subarray(0, bytes) ?? new Uint8Array(bytes)
    this.memory.add(target.buffer)
    const start = this.#given.get(section) ?? 0
    this.#given.set(section, start + bytes)
    await new Promise((resolve) => setImmediate(resolve))
    if (section === this.failing) throw new Error(`${section} is damaged`)
    for (let i = 0; i < bytes; i++) target[i] = start + i
    return target
  }
}
const of = (section: string, bytes: number): Wanted => ({ section, bytes })
const counting = (start: number, bytes: number): Uint8Array => Uint8Array.from({ length: bytes }, (_, i) => start + i)

describe('reading ahead', () => {
  test('gives each group in turn, whatever is read ahead', async () => {
    const groups = [[of('a', 5), of('b', 3)], [of('a', 2)], [], [of('b', 7), of('a', 9)], [of('a', 1)]]
    for (const ahead of [0, 1, 8, 1000]) {
      const sections = new Sections()
      const reads = new ReadAhead(sections, groups, ahead)
      const given = { a: 0, b: 0 } as Record<string, number>
      for (const group of groups) {
        const expected = group.map(({ section, bytes }) => counting((given[section] += bytes) - bytes, bytes))
        expect(await reads.next()).toEqual(expected)
      }
      await expect(reads.next()).rejects.toThrow('more is read than was announced')
    }
  })

  test('asks at once for as much as it may hold, and for more when some was taken', async () => {
    const sections = new Sections()
    const reads = new ReadAhead(sections, Array(5).fill([of('a', 10)]), 25)
    expect(sections.asked.length).toBe(3)
    await reads.next()
    expect(sections.asked.length).toBe(4)
    await reads.next()
    expect(sections.asked.length).toBe(5)
  })

  test('uses memory again, and not while the caller has it', async () => {
    const sections = new Sections()
    const reads = new ReadAhead(sections, Array(20).fill([of('a', 10)]), 15)
    let before: Uint8Array = new Uint8Array(0)
    for (let i = 0; i < 20; i++) {
      const [bytes] = await reads.next()
      await new Promise((resolve) => setTimeout(resolve, 1))
      expect(bytes).toEqual(counting(10 * i, 10))
      expect(bytes.buffer).not.toBe(before.buffer)
      before = bytes
    }
    expect(sections.memory.size).toBeLessThanOrEqual(4)
  })

  test('tells a failure to who gets there, and not before', async () => {
    const sections = new Sections()
    sections.failing = 'b'
    const reads = new ReadAhead(sections, [[of('a', 4)], [of('b', 4)]])
    await new Promise((resolve) => setTimeout(resolve, 5))
    expect(await reads.next()).toEqual([counting(0, 4)])
    await expect(reads.next()).rejects.toThrow('b is damaged')
  })
})
