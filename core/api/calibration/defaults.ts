/** Written by test/bench/refit.ts: the least of 3 calibrations. */
import type { Costs } from './costs.ts'

/** AMD EPYC, 2 cores; kernels: native vaes-avx512; 2026-11-21. */
export const DEFAULT_COSTS: Costs = {
  he: {
    '50,50,50': {
      encrypt: 0.776,
      decrypt: 0.483,
      upload: 0.222,
      weights: 0.00918,
      product: 0.0503,
      answer: 0.845,
    },
    '54,54,54': {
      encrypt: 0.481,
      decrypt: 0.394,
      upload: 0.213,
      weights: 0.0134,
      product: 0.0394,
      answer: 0.828,
    },
    '60,60,60': {
      encrypt: 0.573,
      decrypt: 0.397,
      upload: 0.229,
      weights: 0.024,
      product: 0.0379,
      answer: 0.799,
    },
    '54,54,54,54': {
      encrypt: 0.646,
      decrypt: 0.769,
      upload: 0.355,
      weights: 0.0669,
      product: 0.0471,
      answer: 0.867,
    },
  },
  garbling: {
    garble: 6.94,
    evaluate: 5.18,
    labels: 2.98,
    outputs: 0.205,
  },
  transfers: {
    client: 10.8,
    server: 5.87,
  },
  ring: {
    narrow: 0.015,
    wide: 0.0262,
    add: 4.88,
    rescale: 17.1,
    pack: 36.5,
  },
  link: {
    bytes: 1.24,
  },
  disk: {
    write: 0.885,
    read: 0.209,
  },
  whole: {
    inference: {
      offline: 26.9,
      online: 11.4,
    },
    layer: {
      offline: 6.63,
      online: 1.14,
    },
    start: {
      offline: 225,
      online: 18.8,
    },
    busy: {
      offline: 1.74,
      online: 1.36,
    },
  },
}
