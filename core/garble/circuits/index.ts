/** Every circuit of the protocol, and the builder they are made with. */
export { argmaxAndGates, argmaxCircuit, labelBits, MAX_CLASSES, type ArgmaxParameters } from './argmax.ts'
export { CircuitBuilder, ONE, resizeSigned, ZERO, type Wire, type Word } from './builder.ts'
export { MAX_WINDOWS, maxPoolAndGates, maxPoolCircuit, type MaxPoolParameters } from './maxPool.ts'
export { evaluatePlain } from './plain.ts'
export { reluAndGates, reluCircuit, type ReluParameters } from './relu.ts'
