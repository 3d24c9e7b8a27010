/** `adyton about`, `settings` and `layers`: the program, its settings, a network layer by layer. */
import type { Command } from 'commander'
import * as v from 'valibot'
import { operations } from '../api/index.ts'
import type { AboutResult } from '../api/operations/about.ts'
import type { ModelLayersResult } from '../api/operations/model-layers.ts'
import { AdytonError } from '../errors/errors.ts'
import { bytes, integer, table } from './format.ts'
import type { Runner } from './runner.ts'

type Flags = { data?: string; json?: boolean }

export function addAboutCommands(program: Command, { run, example }: Runner): void {
  const folder = '--data <folder>'
  program
    .command('about')
    .description(operations.about.summary)
    .option(folder, "folder of this installation's data")
    .option('--json', 'print one JSON document')
    .action(({ json = false, ...flags }: Flags) => run(operations.about, flags, json, renderAbout))
  program
    .command('settings')
    .description(operations.settings.summary)
    .option('--change <json>', 'what to change')
    .option(folder, "folder of this installation's data")
    .option('--json', 'print one JSON document')
    .addHelpText('after', example(`settings --change '{"theme": "dark"}'`))
    .action(async ({ json = false, change, ...flags }: Flags & { change?: string }) => {
      const input = { ...flags, ...(change === undefined ? {} : { change: parse(change) }) }
      await run(operations.settings, input, json, (settings) => JSON.stringify(settings, undefined, 2))
    })
  program
    .command('layers <model>')
    .description(operations.modelLayers.summary)
    .option(folder, 'folder of the catalog that zoo:ID means')
    .option('--json', 'print one JSON document')
    .addHelpText('after', example('layers digits'))
    .action((model: string, { json = false, ...flags }: Flags) =>
      run(operations.modelLayers, { source: { model }, ...flags }, json, renderLayers),
    )
}

function parse(text: string): unknown {
  const parsed = v.safeParse(v.pipe(v.string(), v.parseJson()), text)
  if (parsed.success) return parsed.output
  throw new AdytonError('usage', '--change takes a JSON object', { advice: `Such as '{"theme": "dark"}'.` })
}

function renderAbout({ version, node, platform, cpu, memory, kernels, data, licences }: AboutResult): string {
  return [
    `Adyton ${version}, Node ${node}, ${platform.name} ${platform.release} on ${platform.arch}.`,
    `${cpu.model}, ${cpu.cores} cores; ${bytes(memory.free)} of ${bytes(memory.total)} memory free.`,
    `Kernels: ${kernels.inUse}${kernels.whyNotFaster === null ? '' : `; ${kernels.whyNotFaster}`}.`,
    `Data folder: ${data}`,
    '',
    table(
      ['package', 'version', 'licence'],
      licences.map(({ name, version, licence }) => [name, version, licence ?? 'not stated']),
    ),
  ].join('\n')
}

function renderLayers({ name, layers, total }: ModelLayersResult): string {
  const rows = layers.map(({ id, kind, shape, macs, params, relus }) => [
    ...[id, kind, shape.join('x'), integer(macs), integer(params)],
    relus.total === 0 ? '' : `${integer(relus.kept)} of ${integer(relus.total)}`,
  ])
  return [
    `${name}: ${integer(total.kept)} of ${integer(total.relus)} ReLUs kept.`,
    table(['layer', 'kind', 'output', 'MACs', 'parameters', 'ReLUs'], rows),
  ].join('\n')
}
