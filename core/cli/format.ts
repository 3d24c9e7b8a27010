/** Numbers and tables for a terminal. */

/** 1,234,567 */
export function integer(n: number): string {
  return Math.round(n).toLocaleString('en-US')
}

/** Milliseconds with a unit that fits: 0.42 ms, 12.3 ms, 4.56 s, 2 min 05 s. */
export function duration(ms: number): string {
  if (ms < 10) return `${ms.toFixed(2)} ms`
  if (ms < 1000) return `${ms.toFixed(1)} ms`
  if (ms < 60_000) return `${(ms / 1000).toFixed(2)} s`
  const seconds = Math.round(ms / 1000)
  return `${Math.floor(seconds / 60)} min ${String(seconds % 60).padStart(2, '0')} s`
}

/** Bytes with a binary unit. */
export function bytes(n: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB']
  let unit = 0
  let value = n
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024
    unit++
  }
  return unit === 0 ? `${n} B` : `${value.toFixed(value < 10 ? 2 : 1)} ${units[unit]}`
}

/** 97.3% */
export function percent(fraction: number): string {
  return `${(100 * fraction).toFixed(fraction === 1 ? 0 : 2)}%`
}

/** 2^-23.4, for small probabilities. */
export function powerOfTwo(p: number): string {
  return p === 0 ? '0' : `2^${Math.log2(p).toFixed(1)}`
}

/** A table with a header line; columns after the first are right-aligned. */
export function table(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = header.map((title, i) => Math.max(title.length, ...rows.map((row) => row[i].length)))
  const line = (cells: readonly string[]): string =>
    cells
      .map((cell, i) => (i === 0 ? cell.padEnd(widths[i]) : cell.padStart(widths[i])))
      .join('  ')
      .trimEnd()
  return [line(header), line(widths.map((w) => '-'.repeat(w))), ...rows.map(line)].join('\n')
}
