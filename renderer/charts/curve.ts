/** What a chart of live curves takes. */

/** Tokens of theme.css. */
export type Token = '--own' | '--published' | '--accent' | '--text-soft'

export interface Curve {
  readonly label: string
  /** One for each place on the x axis; null where the line breaks. */
  readonly values: readonly (number | null)[]
  readonly token: Token
  /** Told apart by more than hue. */
  readonly dash?: boolean
  /** A mark at each place; left out for a line that only goes along. */
  readonly marks?: boolean
}

/** A stretch of the x axis with a name. */
export interface Section {
  readonly from: number
  readonly to: number
  readonly label: string
}
