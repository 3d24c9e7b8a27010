/** Costs of garbled circuits and of the transfers that carry their inputs: one chunk of ReLUs, as the protocol cuts it. */
import { randomBytes, randomFillSync } from 'node:crypto'
import { reluCircuit } from '../../garble/circuits/index.ts'
import { choiceBits, evaluatorBits, outputShares, shareBits } from '../../garble/inputs.ts'
import {
  CURSOR_START,
  decodeOutputs,
  evaluateChunk,
  garbleChunk,
  garblerLabels,
  layOutStep,
  transferCount,
} from '../../garble/session.ts'
import type { Kernels } from '../../kernels/index.ts'
import { BLOCK_BYTES } from '../../ot/bits.ts'
import { ring } from '../../ring/ring.ts'
import { fromWords } from '../../ring/vector.ts'
import { transferEnds } from '../benchmark/measures.ts'
import type { Costs } from './costs.ts'
import { least, type Timing } from './timing.ts'

const BITS = 32
const CIRCUIT = reluCircuit({ l: BITS, shift: 12, outBits: BITS })

/** `instances` ReLUs or as many as fill one chunk. */
export async function garblingCosts(
  kernels: Kernels,
  timing: Timing,
  instances: number = 2 ** 20,
): Promise<Pick<Costs, 'garbling' | 'transfers'>> {
  const [chunk] = layOutStep(CIRCUIT, instances, CURSOR_START).chunks
  const garbler = {
    delta: randomBytes(BLOCK_BYTES),
    start: randomBytes(BLOCK_BYTES),
    labelKey: randomBytes(BLOCK_BYTES),
  }
  garbler.delta[0] |= 1
  const { sender, receiver } = transferEnds(kernels, garbler.delta)
  const r = ring(BITS)
  const share = fromWords(r, chunk.instances, randomFillSync(new Uint32Array(chunk.instances)))
  const transfers = transferCount(CIRCUIT, chunk)
  const request = () => {
    const bits = evaluatorBits(kernels, [share], BITS, share, chunk)
    return receiver.extend(choiceBits(bits, CIRCUIT.evaluatorInputs, chunk.instances), transfers)
  }
  const { message, labels } = request()
  const client = await least(request, timing)
  const zero = sender.extend(transfers, message)
  const server = await least(() => sender.extend(transfers, message), timing)
  const { tables, decode } = garbleChunk(kernels, garbler, CIRCUIT, chunk, zero)
  const garble = await least(() => garbleChunk(kernels, garbler, CIRCUIT, chunk, zero, tables), timing)
  const send = () => garblerLabels(kernels, garbler, CIRCUIT, chunk, shareBits(kernels, [share], BITS, chunk))
  const input = { start: garbler.start, tables, evaluatorLabels: labels, garblerLabels: send() }
  const evaluate = () => evaluateChunk(kernels, CIRCUIT, chunk, input)
  const colours = evaluate()
  const receive = () => outputShares(kernels, decodeOutputs(CIRCUIT, chunk, decode, colours), r, chunk)
  const ands = (CIRCUIT.andGates * chunk.instances) / 1e6
  const million = (perInstance: number): number => (perInstance * chunk.instances) / 1e6
  return {
    garbling: {
      garble: garble / ands,
      evaluate: (await least(evaluate, timing)) / ands,
      labels: (await least(send, timing)) / million(CIRCUIT.garblerInputs),
      outputs: (await least(receive, timing)) / million(BITS),
    },
    transfers: { client: client / (transfers / 1e6), server: server / (transfers / 1e6) },
  }
}
