/** The query language's terms; all of a query's terms must hold. */

export const TEXT_FIELDS = ['dataset', 'tag', 'name', 'stage', 'licence', 'id'] as const
export type TextField = (typeof TEXT_FIELDS)[number]

export const NUMBER_FIELDS = ['relus', 'macs', 'params', 'acc'] as const
export type NumberField = (typeof NUMBER_FIELDS)[number]

export const OPERATORS = ['<=', '>=', '<', '>', '='] as const
export type Operator = (typeof OPERATORS)[number]

export type Term =
  | { readonly kind: 'text'; readonly not: boolean; readonly field: TextField; readonly value: string }
  | {
      readonly kind: 'number'
      readonly not: boolean
      readonly field: NumberField
      readonly op: Operator
      /** Accuracy in percent. */
      readonly value: number
    }
  /** A word is matched as a beginning of words, a phrase as whole words in this order. */
  | { readonly kind: 'word'; readonly not: boolean; readonly phrase: boolean; readonly value: string }

export type Query = readonly Term[]
