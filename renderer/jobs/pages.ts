/** Where a job is best looked at. */
import type { WindowJob } from '../../core/api/data/contract.ts'
import { to } from '../app/router.svelte.ts'

export function pageOf({ id, operation }: WindowJob): string {
  switch (operation) {
    case 'infer':
    case 'connect':
      return to('inference', 'run', id)
    case 'train':
    case 'linearize':
    case 'sweep':
      return to('train', 'run', id)
    case 'serve':
      return to('machines', 'host')
    case 'benchmarks':
      return to('benchmarks')
    default:
      return to('jobs', id)
  }
}
