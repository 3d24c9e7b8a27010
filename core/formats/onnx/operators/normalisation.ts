/** BatchNormalization as it runs after training, in the forms of opsets 7, 9, 14 and 15. */
import { isStandard } from '../values.ts'
import type { Operator } from '../call.ts'

/** The shortest decimal that is the same float32: a file can say 0.0000099999997 only, and 1e-5 is what was meant. */
function shortestDecimal(single: number): number {
  for (let digits = 1; digits <= 9; digits++) {
    const decimal = Number(single.toPrecision(digits))
    if (Math.fround(decimal) === Math.fround(single)) return decimal
  }
  return single
}

const batchNormalization: Operator = (call) => {
  const trains = call.int('training_mode', 0) !== 0 || call.node.output.slice(1).some((name) => name !== '')
  if (trains) call.refuse('it normalises by the batch (training)', 'Export the model in evaluation mode.')
  const value = call.activation(0)
  if (call.int('spatial', 1) === 0 && value.groups.length > 1) {
    call.refuse('spatial = 0: one scale an element', 'Normalise by channel (spatial = 1).')
  }
  if (!isStandard(value) && value.groups[0]?.join() !== '0') {
    call.refuse('its channels are not in second place', 'Export with channels first (NCHW).')
  }
  const [gamma, beta, mean, variance] = ['scales', 'shifts', 'means', 'variances'].map((what, i) => {
    const { data } = call.floats(i + 1, what)
    if (data.length !== value.shape[0]) {
      call.refuse(`${data.length} ${what} for ${value.shape[0]} channels`, 'The file is damaged: export it again.')
    }
    return data
  })
  if (variance.some((v) => !(v >= 0))) call.refuse('a variance below 0', 'The file is damaged: export it again.')
  const epsilon = shortestDecimal(call.float('epsilon', 1e-5))
  return call.laidOut(value, call.builder.batchNorm(call.origin, value.id, { gamma, beta, mean, variance }, epsilon))
}

export const NORMALISATION: Readonly<Record<string, Operator>> = { BatchNormalization: batchNormalization }
