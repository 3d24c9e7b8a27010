/** Written by test/bench/refit.ts: of 3 calibrations. */
import type { Costs } from './costs.ts'

/** AMD EPYC, 2 cores; kernels: native vaes-avx512; 2026-11-21. */
export const DEFAULT_COSTS: Costs = {
  he: {
    '50,50,50': {
      encrypt: 0.248,
      decrypt: 0.128,
      upload: 0.13,
      weights: 0.000792,
      product: 0.0369,
      answer: 0.669,
    },
    '54,54,54': {
      encrypt: 0.317,
      decrypt: 0.21,
      upload: 0.147,
      weights: 0.00569,
      product: 0.0417,
      answer: 0.71,
    },
    '60,60,60': {
      encrypt: 0.323,
      decrypt: 0.214,
      upload: 0.147,
      weights: 0.00392,
      product: 0.0416,
      answer: 0.75,
    },
    '54,54,54,54': {
      encrypt: 0.412,
      decrypt: 0.161,
      upload: 0.218,
      weights: 0.0314,
      product: 0.0501,
      answer: 0.823,
    },
  },
  garbling: {
    garble: 5.66,
    evaluate: 4.17,
    labels: 2.76,
    outputs: 0.195,
  },
  transfers: {
    client: 9.78,
    server: 5.31,
  },
  ring: {
    narrow: 0.0144,
    wide: 0.0248,
    add: 4.61,
    rescale: 16,
    pack: 35,
  },
  link: {
    bytes: 1.51,
  },
  disk: {
    write: 0.56,
    read: 0.13,
  },
  whole: {
    inference: {
      offline: 17.6,
      online: 4.98,
    },
    layer: {
      offline: 2.56,
      online: 0.546,
    },
    start: {
      offline: 50.6,
      online: 37.1,
    },
    busy: {
      linear: 2.02,
      circuits: 1.43,
      online: 0.769,
    },
  },
}
