/** Numbers as people read them: with units, and always as wide. */
const NUMBER = new Intl.NumberFormat('en-GB')

/** 12345 → '12,345'. */
export const whole = (n: number): string => NUMBER.format(n)

/** Three significant figures with k, M, G: 24576 → '24.6k'. */
export function short(n: number): string {
  for (const [size, unit] of [
    [1e9, 'G'],
    [1e6, 'M'],
    [1e3, 'k'],
  ] as const) {
    if (Math.abs(n) >= size) return `${(n / size).toPrecision(3)}${unit}`
  }
  return Number.isInteger(n) ? String(n) : n.toPrecision(3)
}

/** Bytes in binary units: 3145728 → '3.00 MiB'. */
export function bytes(n: number): string {
  for (const [size, unit] of [
    [2 ** 30, 'GiB'],
    [2 ** 20, 'MiB'],
    [2 ** 10, 'KiB'],
  ] as const) {
    if (n >= size) return `${significant(n / size)} ${unit}`
  }
  return `${Math.round(n)} B`
}

/** Milliseconds: '0.42 ms', '123 ms', '4.56 s', '3 min 20 s', '2 h 5 min'. */
export function duration(ms: number): string {
  if (ms < 1000) return `${significant(ms)} ms`
  if (ms < 60_000) return `${significant(ms / 1000)} s`
  const minutes = Math.floor(ms / 60_000)
  if (minutes < 60) return `${minutes} min ${Math.floor((ms % 60_000) / 1000)} s`
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`
}

/** A time that is only thought, in whole seconds: '1 s', '31 s', '3 min 20 s'. */
export const rough = (ms: number): string =>
  duration(1000 * Math.max(1, Math.round(ms / 1000))).replace(/\.0+(?= s)/, '')

/** A fraction as a percentage with so many decimals. */
export const percent = (fraction: number, decimals = 1): string => `${(fraction * 100).toFixed(decimals)}%`

const DATE = new Intl.DateTimeFormat('en-GB', { dateStyle: 'medium', timeStyle: 'short' })
/** ms since 1970. */
export const date = (ms: number): string => DATE.format(ms)

/** Three significant figures without an exponent: 1234 → '1234', 12.34 → '12.3'. */
export function significant(n: number): string {
  if (n === 0) return '0'
  const digits = Math.max(0, 2 - Math.floor(Math.log10(Math.abs(n))))
  return n.toFixed(Math.min(digits, 4))
}

/** A data set by its name alone: 'MNIST (Y. LeCun and others), a subset' → 'MNIST'. */
export const datasetName = (dataset: string): string => dataset.split(' (')[0]

/** Bits a second: 458e6 → '458 Mbit/s', 2.2e9 → '2.20 Gbit/s'. */
export const bitRate = (bits: number): string =>
  bits >= 1e9 ? `${significant(bits / 1e9)} Gbit/s` : `${significant(bits / 1e6)} Mbit/s`

const SUPERSCRIPTS = '⁰¹²³⁴⁵⁶⁷⁸⁹'

/** Two figures of what may be very small: 0.0000014 → '1.4·10⁻⁶'. */
export function tiny(n: number): string {
  if (n === 0 || n >= 0.001) return String(Number(n.toPrecision(2)))
  const [mantissa, exponent] = n.toExponential(1).split('e-')
  return `${mantissa}·10⁻${[...exponent].map((digit) => SUPERSCRIPTS[Number(digit)]).join('')}`
}
