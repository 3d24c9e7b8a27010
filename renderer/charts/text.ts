import { strings } from '../app/language.ts'

export const text = strings({
  en: {
    kinds: {
      he: 'Homomorphic encryption',
      gc: 'Garbled circuits',
      ot: 'Oblivious transfer',
      share: 'Shares',
      wait: 'Waiting',
    },
    shortKinds: { he: 'HE', gc: 'GC', ot: 'OT', share: 'Shares', wait: 'Waiting' },
    total: 'Total',
    sum: 'Sum',
    legend: 'Kinds of work',
    hover: 'Point at a bar, or move through the layers with the arrow keys.',
    rows: 'Layers',
    row: (label: string, column: string, amounts: string) => `${label}, ${column}: ${amounts}`,
    nothing: 'nothing',
    asTable: 'As a table',
    none: '–',
  },
})
