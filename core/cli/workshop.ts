/** Commands around training: engines, recipes, what a ReLU budget costs, benchmarks, calibration. */
import { readFile } from 'node:fs/promises'
import { Argument, type Command } from 'commander'
import type { BudgetModel } from '../api/data/budget.ts'
import { operations } from '../api/index.ts'
import type { ArchitectureRow } from '../api/operations/architectures.ts'
import type { Calibration } from '../api/calibration/file.ts'
import type { BenchmarksResult } from '../api/operations/benchmarks.ts'
import type { EngineMeasured, EngineReady, EnginesResult } from '../api/operations/engines.ts'
import type { RecipeRow, RecipeVerdict } from '../api/operations/recipes.ts'
import { AdytonError } from '../errors/errors.ts'
import { bytes, duration, integer, table } from './format.ts'
import type { Runner } from './runner.ts'

type Flags = { json?: boolean } & Record<string, unknown>

export function addWorkshopCommands(program: Command, runner: Runner): void {
  addEngines(program, runner)
  addRecipes(program, runner)
  const { run, integerArgument, example } = runner
  program
    .command('architectures')
    .description(operations.architectures.summary)
    .option('--classes <n>', 'classes', integerArgument, 10)
    .option('--json', 'print one JSON document')
    .action(({ json = false, ...flags }: Flags) => run(operations.architectures, flags, json, renderArchitectures))
  program
    .command('budgets')
    .description(operations.budgetCosts.summary)
    .requiredOption('--model <id>', 'a bundled model, zoo:ID, or the path of a model folder')
    .option('--budgets <n...>', 'ReLUs to keep; several of the model when left out')
    .option('--data <folder>', 'folder of the catalog that zoo:ID means')
    .option('--json', 'print one JSON document')
    .addHelpText('after', example('budgets --model cifar10-resnet20'))
    .action(({ json = false, model, budgets, ...flags }: Flags & { budgets?: string[] }) => {
      const given = budgets === undefined ? {} : { budgets: budgets.map(integerArgument) }
      return run(operations.budgetCosts, { source: { model }, ...given, ...flags }, json, renderBudgets)
    })
  program
    .command('benchmarks')
    .description(operations.benchmarks.summary)
    .option('--spend <ms>', 'time for each figure, ms', integerArgument, 250)
    .option('--json', 'print one JSON document')
    .action(({ json = false, spend }: Flags) => run(operations.benchmarks, { spendMs: spend }, json, renderBenchmarks))
  program
    .command('calibrate')
    .description(operations.calibrate.summary)
    .option('--data <folder>', 'folder that keeps the result')
    .option('--json', 'print one JSON document')
    .addHelpText('after', example('calibrate'))
    .action(({ json = false, ...flags }: Flags) => run(operations.calibrate, flags, json, renderCalibration))
}

function addEngines(program: Command, { run, example }: Runner): void {
  const engines = program.command('engines').description('What training runs on: list, measure, find, fetch.')
  engines
    .command('list', { isDefault: true })
    .description(operations.engines.summary)
    .option('--data <folder>', "folder of this installation's data")
    .option('--json', 'print one JSON document')
    .action(({ json = false, ...flags }: Flags) => run(operations.engines, flags, json, renderEngines))
  engines
    .command('measure')
    .description(operations.engineMeasure.summary)
    .option('--data <folder>', "folder of this installation's data")
    .option('--json', 'print one JSON document')
    .action(({ json = false, ...flags }: Flags) => run(operations.engineMeasure, flags, json, renderMeasured))
  engines
    .command('find')
    .description(operations.engineFind.summary)
    .addArgument(new Argument('<path>', 'a TensorFlow library, or an engine that was built before'))
    .option('--data <folder>', "folder of this installation's data")
    .option('--json', 'print one JSON document')
    .addHelpText('after', example('engines find /usr/local/libtensorflow'))
    .action((path: string, { json = false, ...flags }: Flags) =>
      run(operations.engineFind, { path, ...flags }, json, renderReady),
    )
  engines
    .command('fetch')
    .description(operations.engineFetch.summary)
    .option('--data <folder>', "folder of this installation's data")
    .option('--json', 'print one JSON document')
    .action(({ json = false, ...flags }: Flags) => run(operations.engineFetch, flags, json, renderReady))
}

function addRecipes(program: Command, { run, example }: Runner): void {
  const recipes = program.command('recipes').description('Recipes for linearising: list, check.')
  recipes
    .command('list', { isDefault: true })
    .description(operations.recipes.summary)
    .option('--json', 'print one JSON document')
    .action(({ json = false }: Flags) => run(operations.recipes, {}, json, renderRecipes))
  recipes
    .command('check')
    .description(operations.recipeCheck.summary)
    .addArgument(new Argument('<file>', 'a recipe as JSON'))
    .option('--json', 'print one JSON document')
    .addHelpText('after', example('recipes check my-recipe.json'))
    .action(async (file: string, { json = false }: Flags) => {
      const text = await readFile(file, 'utf8').catch((cause: unknown) => {
        throw new AdytonError('file-not-found', `${file} cannot be read`, { advice: 'Check the path.', cause })
      })
      await run(operations.recipeCheck, { text }, json, renderVerdict, ({ valid }) => !valid)
    })
}

function renderEngines({ description, engines, obstacles }: EnginesResult): string {
  const rows = engines.map(({ name, title, state, why }) => [name, title, state, why ?? ''])
  const fetch = obstacles.length === 0 ? [] : ['', `A faster one cannot be fetched: ${obstacles.join('; ')}`]
  return [`Training runs on ${description}.`, '', table(['name', 'what', 'state', 'why'], rows), ...fetch].join('\n')
}

const renderMeasured = ({ description, imagesPerSecond }: EngineMeasured): string =>
  `${integer(Math.round(imagesPerSecond))} images a second on ${description}.`

const renderReady = ({ engine, folder }: EngineReady): string => `${engine}\nTraining takes it from ${folder}.`

function renderRecipes(rows: readonly RecipeRow[]): string {
  return rows
    .map(({ id, name, summary, steps, epochs }) =>
      [
        `${id}: ${name}. ${summary}`,
        ...steps.map(({ title, parameters }, i) => {
          const words = parameters.map((parameter) => `${parameter.name}: ${parameter.value}`).join('; ')
          return `  ${i + 1}. ${title}${words === '' ? '' : ` (${words})`}`
        }),
        `  At most ${epochs} epochs.`,
      ].join('\n'),
    )
    .join('\n\n')
}

function renderVerdict(verdict: RecipeVerdict): string {
  if (verdict.valid)
    return `'${verdict.name}' can work: ${verdict.steps.length} steps, at most ${verdict.epochs} epochs.`
  const place = verdict.line === null ? '' : ` (line ${verdict.line}, column ${verdict.column})`
  return [`${verdict.message}${place}`, ...(verdict.advice === null ? [] : [verdict.advice])].join('\n')
}

const renderArchitectures = (rows: readonly ArchitectureRow[]): string =>
  table(
    ['name', 'ReLUs', 'MACs', 'parameters'],
    rows.map(({ name, relus, macs, params }) => [name, integer(relus), integer(macs), integer(params)]),
  )

function renderBudgets({ points }: BudgetModel): string {
  return table(
    ['ReLUs', 'offline', '', 'online', ''],
    points.map((point) => [
      integer(point.relus),
      bytes(point.offlineBytes.clientToServer + point.offlineBytes.serverToClient),
      duration(1000 * point.offlineSeconds),
      bytes(point.onlineBytes.clientToServer + point.onlineBytes.serverToClient),
      duration(1000 * point.onlineSeconds),
    ]),
  )
}

function renderBenchmarks({ machine, rows, problem }: BenchmarksResult): string {
  const lines = rows.map(({ label, value, unit, against, ratio }) => [
    label,
    `${value.toPrecision(3)} ${unit}`,
    against === null ? '' : `${against.value.toPrecision(3)} ${unit}`,
    ratio === null ? '' : `${ratio.toPrecision(3)} times`,
  ])
  const header = [rows[0].on, rows[0].against?.label ?? '', 'as fast']
  return [machine, ...(problem === null ? [] : [problem]), '', table(['one thread', ...header], lines)].join('\n')
}

/** The figures that people may want to compare; all of them are in the JSON. */
function renderCalibration({ machine, kernels, costs }: Calibration): string {
  const ms = (value: number): string => `${value.toPrecision(3)} ms`
  const he = Object.entries(costs.he).map(([primes, cost]) => [
    `HE with primes of ${primes.replaceAll(',', ', ')} bits`,
    `encryption ${ms(cost.encrypt)}, product ${ms(cost.product)}, answer ${ms(cost.answer)}, decryption ${ms(cost.decrypt)}`,
  ])
  const { garbling, transfers, ring, link, disk } = costs
  return [
    `${machine}; kernels: ${kernels}. Estimates use these costs from now on.`,
    '',
    table(
      ['what', 'processor time'],
      [
        ...he,
        ['a million AND gates', `garbling ${ms(garbling.garble)}, evaluation ${ms(garbling.evaluate)}`],
        ['a million transfers', `client ${ms(transfers.client)}, server ${ms(transfers.server)}`],
        ['a million multiply-accumulates', `32 bits ${ms(ring.narrow)}, 64 bits ${ms(ring.wide)}`],
        ['a megabyte', `TLS ${ms(link.bytes)}, disk ${ms(disk.write)} written and ${ms(disk.read)} read`],
      ],
    ),
  ].join('\n')
}
