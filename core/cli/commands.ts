/** The `adyton` command: reads arguments, calls core/api, prints. */
import { fileURLToPath } from 'node:url'
import { Command, CommanderError, InvalidArgumentError, Option } from 'commander'
import * as v from 'valibot'
import { operations } from '../api/index.ts'
import type { Operation } from '../api/operation.ts'
import { VERSION } from '../api/software.ts'
import type { Source } from '../api/source.ts'
import { AdytonError } from '../errors/errors.ts'
import { addAboutCommands } from './about.ts'
import { parseAddress } from './address.ts'
import { addCurationCommands } from './curation.ts'
import { EXIT, printError, printResult, terminalContext } from './output.ts'
import { renderConnect, renderDescribe, renderInfer, renderModels, renderServe } from './render.ts'
import { addDatasetCommands } from './dataset.ts'
import { addPeerCommands } from './peers.ts'
import { addWorkshopCommands } from './workshop.ts'
import { addZooCommands } from './zoo.ts'

/** A drawn digit that comes with the program. */
const SAMPLE = fileURLToPath(new URL('../../resources/samples/seven.png', import.meta.url))

interface SourceFlags {
  model?: string
  arch?: string
  classes?: number
  size?: number
  reluKeep?: number
  randomWeights?: boolean
  seed?: string
}

const integerArgument = (text: string): number => {
  if (!/^\d+$/.test(text)) throw new InvalidArgumentError('a whole number is needed')
  return Number(text)
}
const fractionArgument = (text: string): number => {
  const value = Number(text)
  if (text.trim() === '' || !(value >= 0 && value <= 1))
    throw new InvalidArgumentError('a number from 0 to 1 is needed')
  return value
}

/** The network that the flags name. */
function sourceOf(flags: SourceFlags, needWeights: boolean): Source {
  if ((flags.model === undefined) === (flags.arch === undefined)) {
    throw new AdytonError('usage', 'name the network with --model ID or with --arch NAME, one of them', {
      advice: "'adyton models' lists the bundled models.",
    })
  }
  if (flags.model !== undefined) return { model: flags.model }
  if (needWeights && flags.randomWeights !== true) {
    throw new AdytonError('usage', '--arch has no weights of its own', {
      advice: 'Add --random-weights, or use --model with a trained model.',
    })
  }
  return {
    arch: flags.arch as string,
    classes: flags.classes ?? 10,
    reluKeep: flags.reluKeep ?? 1,
    ...(flags.size === undefined ? {} : { size: flags.size }),
    ...(flags.seed === undefined ? {} : { seed: flags.seed }),
  }
}

function sourceOptions(command: Command): Command {
  return command
    .option('--model <id>', 'a bundled model, zoo:ID, or the path of a model folder')
    .option('--arch <name>', 'a named architecture, such as resnet18')
    .option('--classes <n>', 'number of classes of --arch', integerArgument)
    .option('--size <n>', 'height and width of the pictures of --arch in pixels', integerArgument)
    .option('--random-weights', 'give --arch random weights')
    .option('--relu-keep <fraction>', 'share of the ReLUs of --arch that a random mask keeps', fractionArgument)
    .option('--seed <text>', 'make the random weights and masks follow from a text')
}

const REVEAL = new Option('--reveal <what>', 'what the client learns').choices(['logits', 'label']).default('logits')

/** What the command ends with unless it throws. */
let exitCode: number = EXIT.ok

/** See Runner. */
async function run<O>(
  operation: Operation<v.GenericSchema, O>,
  input: unknown,
  json: boolean,
  text: (output: O) => string,
  failed?: (output: O) => boolean,
): Promise<void> {
  const checked = v.safeParse(operation.input, input)
  if (!checked.success) {
    const [issue] = checked.issues
    throw new AdytonError('usage', `${v.getDotPath(issue) ?? 'arguments'}: ${issue.message}`)
  }
  const { context, clear } = terminalContext()
  try {
    const output = await operation.run(checked.output, context)
    clear()
    printResult(json, output, text)
    if (failed?.(output) === true) exitCode = EXIT.failure
  } finally {
    clear()
  }
}

const program = new Command('adyton')
  .description('Private neural-network inference: the server never sees the image, the client never sees the weights.')
  .version(VERSION)
  .exitOverride()
  .showHelpAfterError("(add --help for this command's options)")

const example = (text: string): string => `\nExample:\n  npm run -s adyton -- ${text}`

interface InferFlags extends SourceFlags {
  dataset?: string
  split: 'train' | 'test'
  count: number
  from: number
  input?: string[]
  reveal: 'logits' | 'label'
  data?: string
  record: boolean
  verify?: boolean
  threads?: number
  kernels?: string
  json?: boolean
}

async function runInfer(flags: InferFlags): Promise<void> {
  const { dataset, split, count, from, input: pictures, reveal, verify = false, threads, kernels, data, record } = flags
  await run(
    operations.infer,
    {
      source: sourceOf(flags, true),
      ...(pictures === undefined ? {} : { pictures }),
      ...(dataset === undefined ? {} : { dataset: { folder: dataset, split, count, from } }),
      reveal,
      verify,
      ...(threads === undefined ? {} : { threads: { client: threads, server: threads } }),
      ...(kernels === undefined ? {} : { kernels }),
      ...(data === undefined ? {} : { data }),
      record,
    },
    flags.json ?? false,
    renderInfer,
  )
}

sourceOptions(program.command('infer'))
  .description(operations.infer.summary)
  .option('--input <file...>', 'pictures (PNG, JPEG, WebP) of any size')
  .option('--dataset <folder>', 'a folder with MNIST digits in IDX files')
  .addOption(new Option('--split <part>', 'part of the dataset').choices(['train', 'test']).default('test'))
  .option('--count <n>', 'number of images of the dataset', integerArgument, 1)
  .option('--from <n>', 'first image of the dataset', integerArgument, 0)
  .addOption(REVEAL)
  .option('--verify', 'repeat the run from both seeds in a simulator and compare every bit')
  .option('--threads <n>', 'HE worker threads of each party', integerArgument)
  .option('--kernels <name>', 'force kernels: reference, native, native:portable (or armv8, avx2, vaes256, vaes512)')
  .option('--data <folder>', 'folder of the catalog that zoo:ID means')
  .option('--no-record', 'leave nothing in the catalog about a model of it')
  .option('--json', 'print one JSON document')
  .addHelpText('after', example('infer --model digits --input seven.png'))
  .action(runInfer)

sourceOptions(program.command('describe'))
  .description(operations.describe.summary)
  .option('--costs', 'bytes (exact), time, memory and disk of one private inference')
  .addOption(REVEAL)
  .option('--data <folder>', 'folder of the catalog that zoo:ID means')
  .option('--json', 'print one JSON document')
  .addHelpText('after', example('describe --arch resnet18 --classes 100 --costs'))
  .action(async (flags: SourceFlags & { costs?: boolean; reveal: string; data?: string; json?: boolean }) => {
    const { costs = false, reveal, data } = flags
    await run(
      operations.describe,
      { source: sourceOf(flags, false), costs, reveal, ...(data === undefined ? {} : { data }) },
      flags.json ?? false,
      renderDescribe,
    )
  })

program
  .command('models')
  .description(operations.models.summary)
  .option('--json', 'print one JSON document')
  .addHelpText('after', example('models --json'))
  .action(async (flags: { json?: boolean }) => {
    await run(operations.models, {}, flags.json ?? false, renderModels)
  })

interface ConnectFlags {
  fingerprint?: string
  model?: string
  input?: string[]
  dataset?: string
  split: 'train' | 'test'
  count: number
  from: number
  data?: string
  threads: number
  json?: boolean
}

sourceOptions(program.command('serve'))
  .description(operations.serve.summary)
  .option('--host <address>', 'address to listen on', '127.0.0.1')
  .option('--port <n>', 'port to listen on; 0 for any free one', integerArgument, 0)
  .option('--also <id...>', 'further models, of which clients choose one')
  .option('--pair', 'show a code with which one client can pair (adyton pair)')
  .option('--name <text>', 'what clients that pair are told this server is called')
  .option('--allow <fingerprint...>', 'fingerprints of the clients that may connect, beside those that are paired')
  .option('--allow-first', 'pin the first client that connects, for good')
  .option('--limit <n>', 'inferences that one client may run within an hour', integerArgument)
  .addOption(REVEAL)
  .option('--data <folder>', 'folder of the identity and the offline packages')
  .option('--threads <n>', 'HE worker threads', integerArgument)
  .option('--json', 'print one JSON document when the server ends')
  .addHelpText('after', example('serve --model digits --host 0.0.0.0 --port 7373 --pair'))
  .action(
    async (
      flags: SourceFlags & {
        host: string
        port: number
        also?: string[]
        pair?: boolean
        name?: string
        allow?: string[]
        allowFirst?: boolean
        limit?: number
        reveal: string
        data?: string
        threads?: number
        json?: boolean
      },
    ) => {
      const { host, port, also = [], pair = false, name, allow = [], allowFirst = false } = flags
      const { limit, reveal, data, threads } = flags
      const given = {
        ...(name === undefined ? {} : { name }),
        ...(limit === undefined ? {} : { limit }),
        ...(data === undefined ? {} : { data }),
        ...(threads === undefined ? {} : { threads }),
      }
      const sources = [sourceOf(flags, true), ...also.map((model) => ({ model }))]
      const input = { sources, host, port, pairing: pair, allow, allowFirst, reveal, ...given }
      await run(operations.serve, input, flags.json ?? false, renderServe)
    },
  )

program
  .command('connect <address>')
  .description(operations.connect.summary)
  .option('--fingerprint <fingerprint>', "the server's fingerprint, as 'serve' prints it; not needed once paired")
  .option('--model <id>', 'which of the models that the server offers; its first one by default')
  .option('--input <file...>', 'pictures to classify')
  .option('--dataset <folder>', 'a data set to classify a part of')
  .addOption(new Option('--split <part>', 'part of the data set').choices(['train', 'test']).default('test'))
  .option('--count <n>', 'number of images of the data set', integerArgument, 1)
  .option('--from <n>', 'first image of the data set', integerArgument, 0)
  .option('--data <folder>', 'folder of the identity and the offline packages')
  .option('--threads <n>', 'HE worker threads', integerArgument, 1)
  .option('--json', 'print one JSON document')
  .addHelpText('after', example('connect 192.0.2.7:7373 --input seven.png'))
  .action(async (address: string, flags: ConnectFlags) => {
    const { fingerprint, model, input: pictures, dataset, split, count, from, data, threads } = flags
    const input = {
      ...parseAddress(address),
      ...(fingerprint === undefined ? {} : { fingerprint }),
      ...(model === undefined ? {} : { model }),
      ...(pictures === undefined ? {} : { pictures }),
      ...(dataset === undefined ? {} : { dataset: { folder: dataset, split, count, from } }),
      ...(data === undefined ? {} : { data }),
      threads,
    }
    await run(operations.connect, input, flags.json ?? false, renderConnect)
  })

program
  .command('identity')
  .description(operations.identity.summary)
  .option('--data <folder>', 'folder of the identity')
  .option('--json', 'print one JSON document')
  .addHelpText('after', example('identity'))
  .action(async (flags: { data?: string; json?: boolean }) => {
    const input = flags.data === undefined ? {} : { data: flags.data }
    await run(operations.identity, input, flags.json ?? false, ({ display }) => display)
  })

program
  .command('demo', { hidden: true })
  .description('A private inference on a bundled model and a bundled picture; a drawn digit, recognised privately.')
  .action(async () => {
    process.stdout.write('A demonstration: the digits model, a drawn seven, two processes on this machine.\n\n')
    await run(operations.infer, { source: { model: 'digits' }, picture: SAMPLE, verify: true }, false, renderInfer)
    process.stdout.write('\nMore: npm run -s adyton -- --help\n')
  })

addAboutCommands(program, { run, integerArgument, example })
addCurationCommands(program, { run, integerArgument, example })
addPeerCommands(program, { run, integerArgument, example })
addWorkshopCommands(program, { run, integerArgument, example })
addDatasetCommands(program, { run, integerArgument, example })
addZooCommands(program, { run, integerArgument, example })

/** Errors of an argument parser are usage errors, and it has printed them already; help and version are no errors. */
async function main(): Promise<number> {
  try {
    await program.parseAsync()
    return exitCode
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok : EXIT.usage
    return printError(error, process.argv.includes('--json'))
  }
}

// Whoever read the output, such as `head`, has seen enough.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error
  process.exit(EXIT.ok)
})
process.exitCode = await main()
