/** Written by test/bench/refit.ts: of 5 calibrations. */
import type { Costs } from './costs.ts'

/** AMD EPYC, 2 cores; kernels: native vaes-avx512; 2026-11-21. */
export const DEFAULT_COSTS: Costs = {
  he: {
    '50,50,50': {
      encrypt: 0.181,
      decrypt: 0.0601,
      upload: 0.128,
      weights: 0.00204,
      product: 0.0355,
      answer: 0.641,
    },
    '54,54,54': {
      encrypt: 0.317,
      decrypt: 0.0416,
      upload: 0.143,
      weights: 0.00725,
      product: 0.0374,
      answer: 0.701,
    },
    '60,60,60': {
      encrypt: 0.453,
      decrypt: 0.217,
      upload: 0.147,
      weights: 0.0102,
      product: 0.0395,
      answer: 0.715,
    },
    '54,54,54,54': {
      encrypt: 0.342,
      decrypt: 0.0644,
      upload: 0.218,
      weights: 0.034,
      product: 0.0485,
      answer: 0.791,
    },
  },
  garbling: {
    garble: 5.63,
    evaluate: 4.01,
    labels: 2.66,
    outputs: 0.195,
  },
  transfers: {
    client: 9.65,
    server: 5.11,
  },
  ring: {
    narrow: 0.0141,
    wide: 0.0243,
    add: 4.58,
    rescale: 15.7,
    pack: 34.3,
  },
  link: {
    bytes: 1.12,
  },
  disk: {
    write: 0.491,
    read: 0.128,
  },
  whole: {
    inference: {
      offline: 18.7,
      online: 6.2,
    },
    layer: {
      offline: 3.04,
      online: 0.52,
    },
    start: {
      offline: 129,
      online: 52.8,
    },
    busy: { linear: 2.41, circuits: 1.79, online: 0.9 },
  },
}
