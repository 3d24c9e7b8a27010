/** To be written by test/bench/refit.ts. The least of several calibrations of a loaded machine, with `whole` put lower. */
import type { Costs } from './costs.ts'

/** AMD EPYC, 2 cores; kernels: native vaes-avx512; 2026-11-21. */
export const DEFAULT_COSTS: Costs = {
  he: {
    '50,50,50': { encrypt: 0.642, decrypt: 0.436, upload: 0.218, weights: 0.031, product: 0.0178, answer: 0.467 },
    '54,54,54': { encrypt: 0.951, decrypt: 0.451, upload: 0.219, weights: 0.0415, product: 0.0262, answer: 0.427 },
    '60,60,60': { encrypt: 0.581, decrypt: 0.655, upload: 0.208, weights: 0.0328, product: 0.0251, answer: 0.57 },
    '54,54,54,54': { encrypt: 0.922, decrypt: 0.611, upload: 0.333, weights: 0.0592, product: 0.0385, answer: 0.693 },
  },
  garbling: { garble: 6.66, evaluate: 4.98, labels: 3.17, outputs: 0.215 },
  transfers: { client: 9.78, server: 5.39 },
  ring: { narrow: 0.0152, wide: 0.0268, add: 1.83, rescale: 12.2, pack: 43.8 },
  link: { bytes: 1.86 },
  disk: { write: 0.86, read: 0.262 },
  whole: {
    inference: { offline: 40, online: 10 },
    layer: { offline: 3, online: 0.5 },
    start: { offline: 250, online: 30 },
    busy: { offline: 1.7, online: 1.3 },
  },
}
