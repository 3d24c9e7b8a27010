/**
 * Seeded random numbers for training: the same seed gives the same model. Not for anything secret.
 * sfc32 (Chris Doty-Humphrey, PractRand), seeded through splitmix32.
 */
export class TrainingRandom {
  #a: number
  #b: number
  #c: number
  #counter = 1
  #spare: number | undefined

  /** @param seed any 32-bit integer */
  constructor(seed: number) {
    let state = seed | 0
    const next = () => {
      state = (state + 0x9e3779b9) | 0
      let z = state
      z = Math.imul(z ^ (z >>> 16), 0x21f0aaad)
      z = Math.imul(z ^ (z >>> 15), 0x735a2d97)
      return z ^ (z >>> 15)
    }
    this.#a = next()
    this.#b = next()
    this.#c = next()
    for (let i = 0; i < 12; i++) this.uniform()
  }

  /** In [0, 1), 32 random bits. */
  uniform(): number {
    const t = (((this.#a + this.#b) | 0) + this.#counter) | 0
    this.#counter = (this.#counter + 1) | 0
    this.#a = this.#b ^ (this.#b >>> 9)
    this.#b = (this.#c + (this.#c << 3)) | 0
    this.#c = (((this.#c << 21) | (this.#c >>> 11)) + t) | 0
    return (t >>> 0) / 2 ** 32
  }

  /** In [-limit, limit). */
  symmetric(limit: number): number {
    return (2 * this.uniform() - 1) * limit
  }

  /** Standard normal (Box-Muller). */
  normal(): number {
    if (this.#spare !== undefined) {
      const spare = this.#spare
      this.#spare = undefined
      return spare
    }
    const radius = Math.sqrt(-2 * Math.log(1 - this.uniform()))
    const angle = 2 * Math.PI * this.uniform()
    this.#spare = radius * Math.sin(angle)
    return radius * Math.cos(angle)
  }

  /** Fisher-Yates, in place. */
  shuffle(items: Uint32Array): Uint32Array {
    for (let i = items.length - 1; i > 0; i--) {
      const j = Math.floor(this.uniform() * (i + 1))
      const held = items[i]
      items[i] = items[j]
      items[j] = held
    }
    return items
  }
}
