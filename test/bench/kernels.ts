/**
 * Speed of every implementation of the kernels that runs on this machine; run by hand:
 *   npx node test/bench/kernels.ts [reference|portable|avx2|vaes512 ...]
 * Each figure is the best of several runs, one thread.
 */
import { kernelRows } from '../../core/api/benchmark/rows.ts'
import { availableNative, loadKernels } from '../../core/kernels/index.ts'

const SPEND_MS = 1000

const wanted = process.argv.slice(2)
for (const name of ['reference', ...availableNative()] as const) {
  if (wanted.length > 0 && !wanted.includes(name)) continue
  const kernels = loadKernels({ force: name === 'reference' ? 'reference' : `native:${name}` })
  console.log(kernels.name)
  await kernelRows(kernels, kernels, {
    spendMs: SPEND_MS,
    onRow: ({ label, value, unit }) => console.log(`  ${label.padEnd(40)} ${value.toPrecision(3).padStart(8)} ${unit}`),
  })
}
