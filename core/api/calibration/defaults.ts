/** Written by test/bench/refit.ts: of 4 calibrations. */
import type { Costs } from './costs.ts'

/** AMD EPYC, 2 cores; kernels: native vaes-avx512; 2026-11-21. */
export const DEFAULT_COSTS: Costs = {
  he: {
    '50,50,50': {
      encrypt: 0.237,
      decrypt: 0.194,
      upload: 0.131,
      weights: 0.00196,
      product: 0.0357,
      answer: 0.653,
    },
    '54,54,54': {
      encrypt: 0.155,
      decrypt: 0.0464,
      upload: 0.141,
      weights: 0.0051,
      product: 0.0405,
      answer: 0.649,
    },
    '60,60,60': {
      encrypt: 0.315,
      decrypt: 0.0541,
      upload: 0.142,
      weights: 0.00471,
      product: 0.0391,
      answer: 0.724,
    },
    '54,54,54,54': {
      encrypt: 0.41,
      decrypt: 0.0857,
      upload: 0.206,
      weights: 0.0164,
      product: 0.0526,
      answer: 0.89,
    },
  },
  garbling: {
    garble: 5.23,
    evaluate: 3.94,
    labels: 2.67,
    outputs: 0.195,
  },
  transfers: {
    client: 9.18,
    server: 5,
  },
  ring: {
    narrow: 0.0141,
    wide: 0.0241,
    add: 4.33,
    rescale: 14.9,
    pack: 33.4,
  },
  link: {
    bytes: 1.26,
  },
  disk: {
    write: 0.547,
    read: 0.133,
  },
  whole: {
    inference: {
      offline: 25.7,
      online: 7.32,
    },
    layer: {
      offline: 3.77,
      online: 0.814,
    },
    start: {
      offline: 261,
      online: 8.85,
    },
    busy: {
      linear: 1.75,
      circuits: 1.14,
      online: 1.1,
    },
  },
}
