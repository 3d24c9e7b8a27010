/** The curator's commands: train, evaluate, linearize, sweep. */
import { readFile } from 'node:fs/promises'
import { InvalidArgumentError, Option, type Command } from 'commander'
import { operations } from '../api/index.ts'
import type { EvaluateResult } from '../api/operations/evaluate.ts'
import { METHODS, type LinearizeOutcome } from '../api/operations/linearize.ts'
import type { SweepOutcome } from '../api/operations/sweep.ts'
import type { TrainOutcome } from '../api/operations/train.ts'
import { AdytonError } from '../errors/errors.ts'
import { duration, integer, percent, table } from './format.ts'
import type { Runner } from './runner.ts'

const positiveNumber = (text: string): number => {
  const value = Number(text)
  if (!(value > 0)) throw new InvalidArgumentError('a number above 0 is needed')
  return value
}

export function addCurationCommands(program: Command, { run, integerArgument, example }: Runner): void {
  program
    .command('train')
    .description(operations.train.summary)
    .requiredOption('--arch <name>', 'a named architecture, such as resnet8-w20')
    .requiredOption('--dataset <path>', "folder or archive of a data set, or 'generated'")
    .requiredOption('--out <folder>', 'folder of the model; its checkpoints lie in job/ inside')
    .option('--epochs <n>', 'epochs', integerArgument, 30)
    .option('--batch <n>', 'images in a batch', integerArgument, 128)
    .option('--rate <x>', 'highest learning rate', positiveNumber, 0.1)
    .addOption(
      new Option('--schedule <name>', 'how it falls').choices(['cosine', 'step', 'constant']).default('cosine'),
    )
    .option('--seed <n>', 'repeats the run', integerArgument, 1)
    .option('--name <text>', 'name on the card')
    .option('--keep', 'bring the result into the catalog')
    .option('--tags <tag...>', 'tags that it gets there')
    .option('--data <folder>', 'folder of the catalog')
    .option('--json', 'print one JSON document')
    .addHelpText('after', example('train --arch resnet8-w20 --dataset generated --out my-model --epochs 5'))
    .action(async ({ json = false, ...flags }: { json?: boolean } & Record<string, unknown>) => {
      await run(operations.train, flags, json, renderTrain)
    })

  program
    .command('evaluate')
    .description(operations.evaluate.summary)
    .requiredOption('--model <id>', 'a bundled model, zoo:ID, or the path of a model folder')
    .requiredOption('--dataset <path>', 'folder or archive of a data set')
    .addOption(new Option('--split <part>', 'part of the data set').choices(['train', 'test']).default('test'))
    .option('--data <folder>', 'folder of the catalog that zoo:ID means, which keeps the accuracy')
    .option('--json', 'print one JSON document')
    .addHelpText('after', example('evaluate --model digits --dataset mnist'))
    .action(async ({ json = false, ...flags }: { json?: boolean } & Record<string, unknown>) => {
      await run(operations.evaluate, flags, json, renderEvaluate)
    })

  program
    .command('linearize')
    .description(operations.linearize.summary)
    .requiredOption('--model <id>', 'a bundled model, zoo:ID, or the path of a model folder')
    .requiredOption('--dataset <path>', 'folder or archive of the data set that it was trained on')
    .requiredOption('--out <folder>', 'folder of the new model; its checkpoints lie in job/ inside')
    .option('--budget <n>', 'ReLUs to keep', integerArgument)
    .addOption(new Option('--method <name>', 'how they are chosen').choices(METHODS).default('snl'))
    .option('--epochs <n>', 'at most so many epochs of sparsifying (SNL)', integerArgument, 20)
    .option('--finetune <n>', 'epochs of fine-tuning with distillation', integerArgument, 10)
    .option('--lambda <x>', 'first Lasso coefficient (SNL)', positiveNumber)
    .option('--seed <n>', 'repeats the run', integerArgument, 1)
    .option('--recipe <file>', 'a recipe as JSON instead of a method')
    .option('--name <text>', 'name on the card')
    .option('--keep', 'bring the result into the catalog')
    .option('--tags <tag...>', 'tags that it gets there')
    .option('--data <folder>', 'folder of the catalog')
    .option('--json', 'print one JSON document')
    .addHelpText(
      'after',
      example('linearize --model my-model --dataset cifar-10-batches-bin --budget 20000 --out snl-20k'),
    )
    .action(
      async ({ json = false, recipe, ...flags }: { json?: boolean; recipe?: string } & Record<string, unknown>) => {
        const given = recipe === undefined ? {} : { recipe: await readJson(recipe) }
        await run(operations.linearize, { ...flags, ...given }, json, renderLinearize)
      },
    )

  program
    .command('sweep')
    .description(operations.sweep.summary)
    .requiredOption('--model <id>', 'a bundled model, zoo:ID, or the path of a model folder')
    .requiredOption('--dataset <path>', 'folder or archive of the data set that it was trained on')
    .requiredOption('--sweep <file>', 'budgets, seeds and recipe as JSON')
    .requiredOption('--out <folder>', 'folder of the points that are done and of the report')
    .option('--json', 'print one JSON document')
    .addHelpText(
      'after',
      example('sweep --model my-model --dataset cifar-10-batches-bin --sweep budgets.json --out front'),
    )
    .action(async ({ json = false, sweep, ...flags }: { json?: boolean; sweep: string } & Record<string, unknown>) => {
      await run(operations.sweep, { ...flags, sweep: await readJson(sweep) }, json, renderSweep)
    })
}

async function readJson(file: string): Promise<unknown> {
  const text = await readFile(file, 'utf8').catch((cause: unknown) => {
    throw new AdytonError('file-not-found', `${file} cannot be read`, { advice: 'Check the path.', cause })
  })
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw new AdytonError('file-corrupt', `${file}: not valid JSON`, { cause })
  }
}

const inCatalog = (id: string | null): string => (id === null ? '' : ` (zoo:${id})`)

function renderTrain(result: TrainOutcome): string {
  return [
    `${result.model}${inCatalog(result.id)}: ${percent(result.accuracy)} of ${integer(result.images)} test images.`,
    `${integer(result.relus)} ReLUs, ${integer(result.macs)} MACs, ${integer(result.params)} parameters; ` +
      `${result.epochs} epochs in ${duration(1000 * result.seconds)} on ${result.engine}.`,
  ].join('\n')
}

function renderEvaluate(result: EvaluateResult): string {
  return (
    `${result.model} on ${result.dataset}: ${percent(result.accuracy)} ± ${percent(result.interval)} ` +
    `(${integer(result.correct)} of ${integer(result.images)} images, 95%), ${integer(result.relus)} ReLUs.`
  )
}

function renderLinearize(result: LinearizeOutcome): string {
  const before = result.accuracy.before === null ? 'unknown' : percent(result.accuracy.before)
  return [
    `${result.model}${inCatalog(result.id)}: ${percent(result.accuracy.after)} at ${integer(result.relus.after)} ReLUs ` +
      `(before: ${before} at ${integer(result.relus.before)}).`,
    '',
    table(
      ['layer', 'ReLUs', 'kept'],
      result.layers.layers.map((layer) => [layer.id, integer(layer.total), integer(layer.kept)]),
    ),
  ].join('\n')
}

function renderSweep(result: SweepOutcome): string {
  const onFront = new Set(result.front)
  return table(
    ['budget', 'ReLUs', 'accuracy', 'seeds', 'on the front'],
    result.means.map((mean) => [
      integer(mean.budget),
      integer(mean.relus),
      percent(mean.accuracy) + (mean.deviation === undefined ? '' : ` ± ${percent(mean.deviation)}`),
      String(mean.seeds),
      onFront.has(mean) ? 'yes' : '',
    ]),
  )
}
