/** What people type, as the operations take it. */

/** As core/zoo/tags.ts has it. */
export const TAG = /^[\p{L}\p{N}][\p{L}\p{N}._/+-]{0,63}$/u

export const wordsOf = (typed: string): string[] => [...new Set(typed.split(/[\s,]+/).filter((word) => word !== ''))]

/** Whole numbers from 0 to `most`, each once and at most `count`; null when that is not what is typed. */
export function numbersOf(typed: string, most: number, count: number): number[] | null {
  const words = typed.split(/[\s,;]+/).filter((word) => word !== '')
  const numbers = words.map(Number)
  const good = numbers.every((n, i) => /^\d+$/.test(words[i]) && n <= most)
  const once = new Set(numbers).size === numbers.length
  return good && once && numbers.length > 0 && numbers.length <= count ? numbers : null
}

/** A folder of its own for each run: 'resnet8-w10-3f9c01ab'. */
export function folderName(of: string): string {
  const random = [...crypto.getRandomValues(new Uint8Array(4))].map((byte) => byte.toString(16).padStart(2, '0'))
  const readable = of
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-|-$/g, '')
    .slice(0, 40)
  return `${readable === '' ? 'run' : readable}-${random.join('')}`
}
