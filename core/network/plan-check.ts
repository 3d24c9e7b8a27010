/**
 * Consistency of a plan, as far as it can be checked without weights: everything a peer could send is re-derived
 * or bounded here before anything is allocated by it.
 */
import { AdytonError } from '../errors/errors.ts'
import { convOutput } from '../ring/geometry.ts'
import { MAX_BITS, MIN_BITS } from '../ring/ring.ts'
import type { Shape } from './graph.ts'
import {
  PLAN_VERSION,
  type ActivationStep,
  type LinearStep,
  type MaxPoolStep,
  type Plan,
  type Step,
  type SumPoolStep,
  type Value,
} from './plan.ts'
import { elements, LIMITS, poolOutput, sameShape, shapeText } from './shapes.ts'

/** Bounds on plans; all inclusive. */
export const PLAN_LIMITS = {
  values: 2000,
  steps: 2000,
  /** Elements of one value, and of all values together. */
  elements: LIMITS.elements,
  totalElements: 2 ** 27,
  classes: 2 ** 16,
  /** Elements of a pooling window. */
  sumWindow: 2 ** 20,
  maxWindow: 2 ** 10,
  scale: 128,
  divisor: 2 ** 30,
  idLength: 160,
  contexts: 2,
  failure: 2 ** -20,
} as const

type Fail = (what: string) => never

function failAt(where: string): Fail {
  return (what) => {
    throw new AdytonError('plan-invalid', `${where}: ${what}`)
  }
}

/** Values a step reads. */
function reads(step: Step): readonly number[] {
  return 'inputs' in step ? step.inputs : [step.input]
}

function checkValue(value: Value, i: number): void {
  const fail = failAt(`value ${i}`)
  const { shape, length, bits, scale, divisor } = value
  if (shape.length !== 1 && shape.length !== 3) fail(`expected a shape of 1 or 3 dimensions, got ${shapeText(shape)}`)
  for (const d of shape)
    if (!Number.isInteger(d) || d < 1 || d > LIMITS.channels) fail(`dimension ${d} is out of range`)
  if (elements(shape) > PLAN_LIMITS.elements) fail(`${shapeText(shape)} has more than ${PLAN_LIMITS.elements} elements`)
  if (length !== elements(shape)) fail(`expected length ${elements(shape)} for ${shapeText(shape)}, got ${length}`)
  if (!Number.isInteger(bits) || bits < MIN_BITS || bits > MAX_BITS) fail(`bits must be from 2 to 59, got ${bits}`)
  if (!Number.isInteger(scale) || Math.abs(scale) > PLAN_LIMITS.scale) fail(`scale ${scale} is out of range`)
  if (!Number.isInteger(divisor) || divisor < 1 || divisor > PLAN_LIMITS.divisor)
    fail(`divisor ${divisor} is out of range`)
}

function expectShape(fail: Fail, output: Value, shape: Shape): void {
  if (!sameShape(output.shape, shape))
    fail(`expected an output of shape ${shapeText(shape)}, got ${shapeText(output.shape)}`)
}

function expectScale(fail: Fail, output: Value, scale: number, divisor: number): void {
  if (output.scale !== scale) fail(`expected an output of scale ${scale}, got ${output.scale}`)
  if (output.divisor !== divisor) fail(`expected an output of divisor ${divisor}, got ${output.divisor}`)
}

function whole(fail: Fail, name: string, x: number, min: number, max: number): void {
  if (!Number.isInteger(x) || x < min || x > max) fail(`${name} must be an integer from ${min} to ${max}, got ${x}`)
}

/** Shares shrink to a narrower ring locally but cannot grow. */
function expectRing(fail: Fail, input: Value, output: Value): void {
  if (output.bits > input.bits) fail(`cannot go from a ring of ${input.bits} bits to ${output.bits}`)
}

function checkLinear(plan: Plan, step: LinearStep, fail: Fail): void {
  const [input, output] = [plan.values[step.input], plan.values[step.output]]
  const { geometry: g, tiling } = step
  whole(fail, 'kernelHeight', g.kernelHeight, 1, LIMITS.kernel)
  whole(fail, 'kernelWidth', g.kernelWidth, 1, LIMITS.kernel)
  whole(fail, 'stride', g.stride, 1, LIMITS.stride)
  whole(fail, 'padding', g.padding, 0, LIMITS.padding)
  whole(fail, 'outChannels', g.outChannels, 1, LIMITS.channels)
  whole(fail, 'groups', g.groups, 1, LIMITS.channels)
  const [channels, height = 1, width = 1] = input.shape
  if (g.inChannels !== channels || g.inHeight !== height || g.inWidth !== width) {
    fail(`geometry is for ${g.inChannels}x${g.inHeight}x${g.inWidth}, the input is ${shapeText(input.shape)}`)
  }
  if (g.inChannels % g.groups !== 0 || g.outChannels % g.groups !== 0) fail(`groups ${g.groups} do not divide channels`)
  if ((g.outChannels * g.inChannels * g.kernelHeight * g.kernelWidth) / g.groups > LIMITS.weights) {
    fail(`more than ${LIMITS.weights} weights`)
  }
  const out = convOutput(g)
  if (out.height < 1 || out.width < 1) fail('the kernel does not fit in the input')
  if (input.shape.length === 1 && (out.height !== 1 || out.width !== 1)) fail('a vector must stay a vector')
  expectShape(fail, output, input.shape.length === 1 ? [g.outChannels] : [g.outChannels, out.height, out.width])
  whole(fail, 'weightBits', step.weightBits, 1, 30)
  whole(fail, 'weightScale', step.weightScale, -PLAN_LIMITS.scale, PLAN_LIMITS.scale)
  expectScale(fail, output, input.scale + step.weightScale, 1)
  expectRing(fail, input, output)
  const he = plan.he.find((p) => p.plainBits === output.bits)
  if (he === undefined) return fail(`no HE parameters for its ring of ${output.bits} bits`)
  whole(fail, 'tiling.channels', tiling.channels, 1, g.inChannels)
  whole(fail, 'tiling.outputs', tiling.outputs, 1, g.outChannels)
  whole(fail, 'tiling.height', tiling.height, 1, he.polyDegree)
  whole(fail, 'tiling.width', tiling.width, 1, he.polyDegree)
  if (tiling.channels * tiling.outputs * tiling.height * tiling.width > he.polyDegree) {
    fail(`a tile does not fit in ${he.polyDegree} coefficients`)
  }
}

function checkAligned(plan: Plan, step: Step & { readonly op: 'add' | 'concat' }, fail: Fail): void {
  const output = plan.values[step.output]
  if (step.shifts.length !== step.inputs.length) fail('expected one shift an input')
  step.inputs.forEach((index, i) => {
    const input = plan.values[index]
    whole(fail, 'shift', step.shifts[i], 0, output.bits - 1)
    expectScale(fail, output, input.scale + step.shifts[i], input.divisor)
    expectRing(fail, input, output)
  })
  const shapes = step.inputs.map((i) => plan.values[i].shape)
  if (step.op === 'add') return shapes.forEach((shape) => expectShape(fail, output, shape))
  const rest = shapes[0].slice(1)
  if (shapes.some((shape) => !sameShape(shape.slice(1), rest))) fail('inputs differ in more than channels')
  expectShape(fail, output, [shapes.reduce((sum, shape) => sum + shape[0], 0), ...rest])
}

function checkWindow(plan: Plan, step: SumPoolStep | MaxPoolStep, fail: Fail, limit: number): void {
  const [input, output] = [plan.values[step.input], plan.values[step.output]]
  const [kernelHeight, kernelWidth] = step.kernel
  if (input.shape.length !== 3) fail(`expected an input of 3 dimensions, got ${shapeText(input.shape)}`)
  whole(fail, 'kernel height', kernelHeight, 1, limit)
  whole(fail, 'kernel width', kernelWidth, 1, limit)
  if (kernelHeight * kernelWidth > limit) fail(`windows of more than ${limit} elements`)
  whole(fail, 'stride', step.stride, 1, LIMITS.stride)
  whole(fail, 'padding', step.padding, 0, Math.floor(Math.min(kernelHeight, kernelWidth) / 2))
  const out = poolOutput(step, input.shape[1], input.shape[2])
  if (out.height < 1 || out.width < 1) fail('the window does not fit in the input')
  expectShape(fail, output, [input.shape[0], out.height, out.width])
}

function checkSumPool(plan: Plan, step: SumPoolStep, fail: Fail): void {
  checkWindow(plan, step, fail, PLAN_LIMITS.sumWindow)
  const [input, output] = [plan.values[step.input], plan.values[step.output]]
  expectRing(fail, input, output)
  const grown = output.scale - input.scale
  const divided = output.divisor / input.divisor
  if (grown < 0 || !Number.isInteger(divided) || divided * 2 ** grown !== step.kernel[0] * step.kernel[1]) {
    fail(`scale and divisor do not account for windows of ${step.kernel[0]}x${step.kernel[1]}`)
  }
}

/** Width and truncation of a circuit, and the scale after it. */
function checkCircuit(plan: Plan, step: ActivationStep | MaxPoolStep, fail: Fail): void {
  const [input, output] = [plan.values[step.input], plan.values[step.output]]
  whole(fail, 'circuitBits', step.circuitBits, MIN_BITS, input.bits)
  whole(fail, 'shift', step.shift, 0, step.circuitBits - 1)
  expectScale(fail, output, input.scale - step.shift, input.divisor)
}

function checkActivation(plan: Plan, step: ActivationStep, fail: Fail): void {
  const [input, output] = [plan.values[step.input], plan.values[step.output]]
  checkCircuit(plan, step, fail)
  expectShape(fail, output, input.shape)
  if (step.kept === 'all') return
  if (step.kept.length >= input.length) fail(`a list of all positions is written 'all'`)
  let last = -1
  for (const i of step.kept) {
    if (i <= last || i >= input.length) fail('kept positions must be ascending and within the value')
    last = i
  }
  if (step.shift === 0) expectRing(fail, input, output)
}

function checkStep(plan: Plan, step: Step, fail: Fail): void {
  switch (step.op) {
    case 'linear':
      return checkLinear(plan, step, fail)
    case 'add':
    case 'concat':
      return checkAligned(plan, step, fail)
    case 'sumPool':
      return checkSumPool(plan, step, fail)
    case 'reshape': {
      const [input, output] = [plan.values[step.input], plan.values[step.output]]
      if (input.length !== output.length) fail(`cannot reshape ${shapeText(input.shape)} to ${shapeText(output.shape)}`)
      expectScale(fail, output, input.scale, input.divisor)
      return expectRing(fail, input, output)
    }
    case 'activation':
      return checkActivation(plan, step, fail)
    case 'maxPool':
      checkWindow(plan, step, fail, PLAN_LIMITS.maxWindow)
      return checkCircuit(plan, step, fail)
    case 'reveal': {
      const input = plan.values[step.input]
      whole(fail, 'circuitBits', step.circuitBits, MIN_BITS, input.bits)
      if (input.length !== plan.classes) fail(`expected ${plan.classes} logits, got ${input.length}`)
    }
  }
}

function checkHe(plan: Plan): void {
  const fail = failAt('HE parameters')
  if (plan.he.length > PLAN_LIMITS.contexts)
    fail(`expected at most ${PLAN_LIMITS.contexts} sets, got ${plan.he.length}`)
  const seen = new Set<number>()
  for (const { plainBits, polyDegree, primeBits } of plan.he) {
    whole(fail, 'plainBits', plainBits, MIN_BITS, MAX_BITS)
    if (seen.has(plainBits)) fail(`two sets for ${plainBits} bits`)
    seen.add(plainBits)
    whole(fail, 'polyDegree', polyDegree, 1024, 32768)
    if (!Number.isInteger(Math.log2(polyDegree))) fail(`polyDegree must be a power of two, got ${polyDegree}`)
    if (primeBits.length < 2 || primeBits.length > 16) fail(`expected 2 to 16 primes, got ${primeBits.length}`)
    for (const bits of primeBits) whole(fail, 'prime width', bits, 20, 60)
    const used = plan.steps.some((step) => step.op === 'linear' && plan.values[step.output]?.bits === plainBits)
    if (!used) fail(`no linear step runs in a ring of ${plainBits} bits`)
  }
}

function checkFailure({ truncation, rounding, total }: Plan['failure']): void {
  const fail = failAt('failure bound')
  for (const x of [truncation, rounding, total]) if (!(x >= 0 && x <= 1)) fail(`${x} is no probability`)
  if (Math.abs(truncation + rounding - total) > 1e-9 * total) fail('the parts do not add up to the total')
  if (total > PLAN_LIMITS.failure) fail(`2^${Math.log2(total).toFixed(1)} is above 2^-20`)
}

/**
 * Throws AdytonError 'plan-invalid' (naming the step) or 'version-mismatch' unless the plan is one that can be run:
 * bounded, every value assigned once before it is read, shapes, scales and rings that follow from each other, no
 * linear layer that reads an HE answer, exactly one reveal, at the end.
 */
export function checkPlan(plan: Plan): void {
  const fail = failAt('plan')
  if (plan.version !== PLAN_VERSION) {
    throw new AdytonError(
      'version-mismatch',
      `the plan has version ${plan.version}, this program reads ${PLAN_VERSION}`,
    )
  }
  const { values, steps } = plan
  whole(fail, 'number of values', values.length, 1, PLAN_LIMITS.values)
  whole(fail, 'number of steps', steps.length, 1, PLAN_LIMITS.steps)
  whole(fail, 'classes', plan.classes, 1, PLAN_LIMITS.classes)
  values.forEach(checkValue)
  if (values.reduce((sum, value) => sum + value.length, 0) > PLAN_LIMITS.totalElements) {
    fail(`more than ${PLAN_LIMITS.totalElements} elements in all values`)
  }
  checkFailure(plan.failure)
  checkHe(plan)
  const ids = new Set<string>()
  /** By value: undefined until assigned, then whether it depends on an HE answer. */
  const dependent: (boolean | undefined)[] = values.map((_, i) => (i === 0 ? false : undefined))
  steps.forEach((step, s) => {
    const failStep = failAt(`step '${step.id}' (${step.op})`)
    if (ids.has(step.id)) failStep('expected a unique id')
    ids.add(step.id)
    for (const i of reads(step))
      if (dependent[i] === undefined) failStep(`reads value ${i}, which no earlier step assigns`)
    if ((step.op === 'reveal') !== (s === steps.length - 1)) failStep('expected exactly one reveal, as the last step')
    if (step.op !== 'reveal') {
      if (!(step.output in values)) failStep(`assigns value ${step.output}, which does not exist`)
      if (dependent[step.output] !== undefined) failStep(`assigns value ${step.output} a second time`)
    }
    checkStep(plan, step, failStep)
    if (step.op === 'reveal') return
    const tainted = reads(step).some((i) => dependent[i])
    if (step.op === 'linear' && tainted) failStep('reads an HE answer; a re-sharing must come between')
    dependent[step.output] = step.op === 'linear' || (tainted && step.op !== 'activation' && step.op !== 'maxPool')
  })
  const orphan = dependent.indexOf(undefined)
  if (orphan >= 0) fail(`value ${orphan} is never assigned`)
}
