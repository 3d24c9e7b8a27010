/** Keys of what we write beside a network into metadata_props; each value is JSON. */
export const METADATA = { card: 'adyton.card', stages: 'adyton.stages', calibration: 'adyton.calibration' } as const
