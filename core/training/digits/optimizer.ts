/** Adam with decoupled weight decay (Loshchilov and Hutter 2019) and a running average of the weights. */
import { PARAMETER_NAMES, type Parameters } from './model.ts'

const BETA1 = 0.9
const BETA2 = 0.999
const EPSILON = 1e-8

const zerosLike = (parameters: Parameters): Parameters =>
  mapParameters(parameters, (data) => new Float32Array(data.length))

export function mapParameters(parameters: Parameters, change: (data: Float32Array) => Float32Array): Parameters {
  return Object.fromEntries(PARAMETER_NAMES.map((name) => [name, change(parameters[name])])) as Parameters
}

export class Adam {
  readonly parameters: Parameters
  /** Exponential average of the weights: better than any single step's, so this is what is evaluated and kept. */
  readonly average: Parameters
  readonly #first: Parameters
  readonly #second: Parameters
  readonly #decay: number
  readonly #averaging: number
  #steps = 0

  /** @param options decay: relative shrinking of weights a unit of rate; averaging: memory of the average, near 1 */
  constructor(parameters: Parameters, options: { decay: number; averaging: number }) {
    this.parameters = parameters
    this.average = mapParameters(parameters, (data) => data.slice())
    this.#first = zerosLike(parameters)
    this.#second = zerosLike(parameters)
    this.#decay = options.decay
    this.#averaging = options.averaging
  }

  step(grads: Parameters, rate: number): void {
    this.#steps++
    // While few steps are behind, average over those alone.
    const memory = Math.min(this.#averaging, this.#steps / (this.#steps + 10))
    const scale1 = 1 / (1 - BETA1 ** this.#steps)
    const scale2 = 1 / (1 - BETA2 ** this.#steps)
    for (const name of PARAMETER_NAMES) {
      const [data, grad, average] = [this.parameters[name], grads[name], this.average[name]]
      const [first, second] = [this.#first[name], this.#second[name]]
      const decay = name.endsWith('.weight') ? rate * this.#decay : 0
      for (let i = 0; i < data.length; i++) {
        first[i] = BETA1 * first[i] + (1 - BETA1) * grad[i]
        second[i] = BETA2 * second[i] + (1 - BETA2) * grad[i] * grad[i]
        data[i] -= decay * data[i] + (rate * first[i] * scale1) / (Math.sqrt(second[i] * scale2) + EPSILON)
        average[i] = memory * average[i] + (1 - memory) * data[i]
      }
    }
  }
}
