/** A drawing that is being made. */
import { strokesPicture, sampleDigit, type Point, type Stroke } from './strokes.ts'

export class Drawing {
  strokes = $state.raw<readonly Stroke[]>([])
  /** The sample digit that is shown, until something is drawn. */
  sample = $state<number | null>(null)

  get empty(): boolean {
    return this.strokes.length === 0
  }

  begin(point: Point): void {
    // A sample makes way for what a person draws.
    this.strokes = this.sample === null ? [...this.strokes, [point]] : [[point]]
    this.sample = null
  }

  extend(points: readonly Point[]): void {
    this.strokes = [...this.strokes.slice(0, -1), [...(this.strokes.at(-1) ?? []), ...points]]
  }

  undo(): void {
    this.strokes = this.sample === null ? this.strokes.slice(0, -1) : []
    this.sample = null
  }

  take(digit: number): void {
    this.strokes = sampleDigit(digit)
    this.sample = digit
  }

  /** Returns what brings it back. */
  clear(): () => void {
    const { strokes, sample } = this
    this.strokes = []
    this.sample = null
    return () => {
      this.strokes = strokes
      this.sample = sample
    }
  }

  picture(): Promise<Blob> {
    return strokesPicture(this.strokes)
  }
}
