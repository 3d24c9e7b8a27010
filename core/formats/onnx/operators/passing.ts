/** Operators that change nothing here: Identity, Dropout, padding until a layer takes it, Softmax at the end. */
import { elements } from '../../../network/shapes.ts'
import { dimsOf } from '../values.ts'
import type { Call, Operator } from '../call.ts'
import { addPads, padsOf } from './window.ts'

const identity: Operator = (call) => call.value(0)

const dropout: Operator = (call) => {
  const { node } = call
  if ((node.output[1] ?? '') !== '' && call.reading.isRead(node.output[1])) {
    call.refuse('its second output, the mask, is used', 'Export the model in evaluation mode.')
  }
  if (call.opset >= 12 && call.has(2) && call.constant(2, 'training mode').data[0] !== 0) {
    call.refuse('it drops values (training)', 'Export the model in evaluation mode.')
  }
  return call.value(0)
}

/** Numbers of Pad for every axis, all the starts and then all the ends. */
function padNumbers(call: Call, rank: number): number[] {
  const given = call.listed('pads', 11, 1) ?? call.refuse('has no pads', 'The file is damaged: export it again.')
  const axes = call.opset >= 18 && call.has(3) ? call.integers(3, 'axes') : [...Array(rank).keys()]
  if (given.length !== 2 * axes.length)
    call.refuse(`${given.length} pads for ${axes.length} axes`, 'The file is damaged.')
  const pads = Array<number>(2 * rank).fill(0)
  axes.forEach((axis, i) => {
    const place = call.axis(axis, rank)
    pads[place] = given[i]
    pads[rank + place] = given[axes.length + i]
  })
  return pads
}

function padValue(call: Call): number {
  if (call.opset < 11) return call.float('value', 0)
  return call.has(2) ? (call.constant(2, 'fill value').data[0] ?? 0) : 0
}

/** Zeros around height and width, which the layer that reads them takes in as its padding. */
const pad: Operator = (call) => {
  const value = call.activation(0, { padded: true })
  const rank = value.groups.length + 1
  const pads = padNumbers(call, rank)
  if (pads.every((n) => n === 0)) return value
  const mode = call.text('mode', 'constant')
  if (mode !== 'constant') call.refuse(`mode '${mode}'`, 'Pad with zeros (mode constant).')
  if (padValue(call) !== 0) call.refuse(`pads with ${padValue(call)}`, 'Pad with zeros.')
  const ours = [0, 0, 0, 0]
  value.groups.forEach((group, i) => {
    const [before, after] = [pads[i + 1], pads[rank + i + 1]]
    if (before === 0 && after === 0) return
    // An axis of size 1 has no group: with channels first, its place tells which it is.
    const axis = group[0] ?? i
    if (value.shape.length !== 3 || rank !== 4 || axis === 0) {
      call.refuse('pads something other than height and width', 'Pad height and width only.')
    }
    ours[axis - 1] = before
    ours[axis + 1] = after
  })
  if (pads[0] !== 0 || pads[rank] !== 0) call.refuse('pads the batch', 'Pad height and width only.')
  return { ...value, pads: addPads(padsOf(call, ours), value.pads) }
}

/** Left out: the scores before it are in the same order, and they are what is compared. */
const softmax: Operator = (call) => {
  const value = call.activation(0)
  const dims = dimsOf(value)
  const whole = call.opset < 13 ? 1 : undefined
  const axis = call.axis(call.int('axis', whole ?? -1), dims.length + 1)
  const over = whole === undefined ? dims[axis - 1] : elements(dims.slice(axis - 1))
  if (axis === 0 || over !== elements(value.shape)) {
    call.refuse('works on parts of a value', 'Softmax is possible over all scores, as the last operation.')
  }
  call.note('left out: it does not change which class wins')
  return { ...value, ended: { operator: call.origin.operator, input: call.node.input[0] } }
}

export const PASSING: Readonly<Record<string, Operator>> = {
  ...{ Identity: identity, Dropout: dropout, Pad: pad, Softmax: softmax, LogSoftmax: softmax },
}
