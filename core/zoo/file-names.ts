import type { Role } from './insert.ts'

/** Names of a model folder's files. Nothing else is taken from a folder. */
export const FILE_NAMES: Readonly<Record<Role, string>> = {
  weights: 'weights.safetensors',
  graph: 'graph.json',
  card: 'card.json',
  recipe: 'recipe.json',
  calibration: 'calibration.json',
}
