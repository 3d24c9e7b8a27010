/** The wire form of residues, by one long number. */
import { checkPacked } from '../check.ts'
import type { HeKernels } from '../interface.ts'
import { wide } from './he.ts'

export const packResidues: HeKernels['packResidues'] = (words, bits, out, places) => {
  checkPacked(words, bits, out, places)
  const from = wide(words)
  const digits = Array.from(places ?? from.keys(), (place) =>
    BigInt.asUintN(bits, from[place]).toString(2).padStart(bits, '0'),
  )
  const text = digits
    .reverse()
    .join('')
    .padStart(8 * out.length, '0')
  for (let i = 0; i < out.length; i++) out[out.length - 1 - i] = parseInt(text.slice(8 * i, 8 * i + 8), 2)
}

export const unpackResidues: HeKernels['unpackResidues'] = (bytes, prime, words, places) => {
  const bits = prime.toString(2).length
  const count = checkPacked(words, bits, bytes, places)
  const into = wide(words)
  const text = Array.from(bytes, (byte) => byte.toString(2).padStart(8, '0'))
    .reverse()
    .join('')
  let valid = !text.slice(0, text.length - count * bits).includes('1')
  for (let i = 0; i < count; i++) {
    const end = text.length - i * bits
    const value = BigInt(`0b${text.slice(end - bits, end)}`)
    into[places === undefined ? i : places[i]] = value
    valid &&= value < prime
  }
  return valid
}
