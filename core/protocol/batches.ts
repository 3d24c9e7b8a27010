/**
 * Which circuits a non-linear step garbles, over which elements: derived by both parties from the public plan.
 */
import { AdytonError } from '../errors/errors.ts'
import { argmaxCircuit, MAX_CLASSES, MAX_WINDOWS, maxPoolCircuit, reluCircuit } from '../garble/circuits/index.ts'
import { CURSOR_START, layOutStep, type Chunk } from '../garble/session.ts'
import type { Circuit } from '../kernels/interface.ts'
import type { ActivationStep, MaxPoolStep, Plan, RevealStep, Step } from '../network/plan.ts'

/** Steps that may garble. */
export type NonLinearStep = ActivationStep | MaxPoolStep | RevealStep

export function isNonLinear(step: Step): step is NonLinearStep {
  return step.op === 'activation' || step.op === 'maxPool' || step.op === 'reveal'
}

/** Many instances of one circuit. */
export interface GcBatch {
  readonly circuit: Circuit
  readonly instances: number
  /** Width of each input share. */
  readonly inputBits: number
  /** Element of the input value that goes to slot s of instance j: inputs[s][j]. */
  readonly inputs: readonly Uint32Array[]
  /** Element of the output value that instance j produces; empty for a revealed label. */
  readonly outputs: Uint32Array
  /** Width of the mask that the evaluator subtracts, 0 when the output is revealed to it. */
  readonly outputBits: number
  /** Instances garbled together, in order, with their tweaks and label blocks. */
  readonly chunks: readonly Chunk[]
}

const EMPTY = new Uint32Array(0)

/**
 * Throws AdytonError 'plan-invalid' naming the step for a plan that is consistent but asks for circuits this program
 * does not build. Cheap: to be asked before {@link gcBatches}, whose work a peer's plan would otherwise decide.
 */
export function checkCircuits(plan: Plan): void {
  const refuse = (step: Step, what: string): never => {
    throw new AdytonError('plan-invalid', `step '${step.id}' (${step.op}): ${what}`)
  }
  for (const step of plan.steps) {
    if (step.op === 'maxPool' && step.kernel[0] * step.kernel[1] > MAX_WINDOWS) {
      refuse(step, `windows of ${step.kernel[0]}x${step.kernel[1]} are larger than ${MAX_WINDOWS} elements`)
    }
    if (step.op === 'reveal' && step.kind === 'label' && (plan.classes < 2 || plan.classes > MAX_CLASSES)) {
      refuse(step, `the label of ${plan.classes} classes cannot be revealed, only of 2 to ${MAX_CLASSES}`)
    }
  }
}

/** Elements of an activation, ascending. */
export interface Split {
  /** Through a circuit. */
  readonly kept: Uint32Array
  readonly linear: Uint32Array
}

const splits = new WeakMap<Plan, Map<Step, Split>>()

/** Element indices that an activation keeps (through a circuit) and linearises. */
export function splitActivation(plan: Plan, step: ActivationStep): Split {
  const known = splits.get(plan) ?? new Map<Step, Split>()
  splits.set(plan, known)
  let split = known.get(step)
  if (split === undefined) known.set(step, (split = makeSplit(plan, step)))
  return split
}

function makeSplit(plan: Plan, step: ActivationStep): Split {
  const { length } = plan.values[step.input]
  if (step.kept === 'all') return { kept: Uint32Array.from({ length }, (_, i) => i), linear: EMPTY }
  const keep = new Uint8Array(length)
  for (const i of step.kept) keep[i] = 1
  const linear = new Uint32Array(length - step.kept.length)
  let at = 0
  for (let i = 0; i < length; i++) if (keep[i] === 0) linear[at++] = i
  return { kept: step.kept, linear }
}

/** A batch before it has its place in the execution. */
type LooseBatch = Omit<GcBatch, 'chunks'>

const executions = new WeakMap<Plan, Map<Step, readonly GcBatch[]>>()

/**
 * The batches of a step, in the order they are garbled; none when nothing is kept or logits are revealed. A package
 * is one execution of garbling: tweaks and label blocks run through all its steps in the plan's order.
 */
export function gcBatches(plan: Plan, step: NonLinearStep): readonly GcBatch[] {
  let execution = executions.get(plan)
  if (execution === undefined) executions.set(plan, (execution = layOut(plan)))
  return execution.get(step) ?? []
}

function layOut(plan: Plan): Map<Step, readonly GcBatch[]> {
  const execution = new Map<Step, readonly GcBatch[]>()
  let cursor = CURSOR_START
  for (const step of plan.steps) {
    if (!isNonLinear(step)) continue
    const placed = looseBatches(plan, step).map((batch) => {
      const { chunks, next } = layOutStep(batch.circuit, batch.instances, cursor)
      cursor = next
      return { ...batch, chunks }
    })
    execution.set(step, placed)
  }
  return execution
}

function looseBatches(plan: Plan, step: NonLinearStep): LooseBatch[] {
  switch (step.op) {
    case 'activation':
      return activationBatches(plan, step)
    case 'maxPool':
      return maxPoolBatches(plan, step)
    case 'reveal':
      return step.kind === 'label' ? [argmaxBatch(plan, step)] : []
  }
}

function activationBatches(plan: Plan, step: ActivationStep): LooseBatch[] {
  const { kept } = splitActivation(plan, step)
  if (kept.length === 0) return []
  const outputBits = plan.values[step.output].bits
  const circuit = reluCircuit({ l: step.circuitBits, shift: step.shift, outBits: outputBits })
  return [batch(circuit, step.circuitBits, [kept], kept, outputBits)]
}

/** Windows at an edge hold fewer elements, so windows are grouped by how many they hold. */
function maxPoolBatches(plan: Plan, step: MaxPoolStep): LooseBatch[] {
  const [channels, height, width] = plan.values[step.input].shape
  const [, outHeight, outWidth] = plan.values[step.output].shape
  const bySize = new Map<number, { windows: number[][]; outputs: number[] }>()
  let output = 0
  for (let c = 0; c < channels; c++)
    for (let oy = 0; oy < outHeight; oy++)
      for (let ox = 0; ox < outWidth; ox++) {
        const window: number[] = []
        for (let ky = 0; ky < step.kernel[0]; ky++)
          for (let kx = 0; kx < step.kernel[1]; kx++) {
            const y = oy * step.stride - step.padding + ky
            const x = ox * step.stride - step.padding + kx
            if (y >= 0 && y < height && x >= 0 && x < width) window.push((c * height + y) * width + x)
          }
        let group = bySize.get(window.length)
        if (group === undefined) bySize.set(window.length, (group = { windows: [], outputs: [] }))
        group.windows.push(window)
        group.outputs.push(output++)
      }
  const outputBits = plan.values[step.output].bits
  return [...bySize.entries()]
    .sort(([a], [b]) => b - a)
    .map(([size, group]) => {
      const circuit = maxPoolCircuit({
        l: step.circuitBits,
        shift: step.shift,
        outBits: outputBits,
        windows: size,
        relu: step.relu,
      })
      const slots = Array.from({ length: size }, (_, s) => Uint32Array.from(group.windows, (w) => w[s]))
      return batch(circuit, step.circuitBits, slots, Uint32Array.from(group.outputs), outputBits)
    })
}

function argmaxBatch(plan: Plan, step: RevealStep): LooseBatch {
  const circuit = argmaxCircuit({ l: step.circuitBits, classes: plan.classes })
  const slots = Array.from({ length: plan.classes }, (_, c) => Uint32Array.of(c))
  return batch(circuit, step.circuitBits, slots, EMPTY, 0)
}

function batch(
  circuit: Circuit,
  inputBits: number,
  inputs: readonly Uint32Array[],
  outputs: Uint32Array,
  outputBits: number,
): LooseBatch {
  return { circuit, instances: inputs[0].length, inputBits, inputs, outputs, outputBits }
}
