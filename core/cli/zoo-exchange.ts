/** `adyton zoo import`, `inspect`, `export`, `signers`: models as folders, files of other programs, and bundles. */
import { readFileSync } from 'node:fs'
import { extname } from 'node:path'
import { InvalidArgumentError, Option, type Command } from 'commander'
import type * as v from 'valibot'
import { operations } from '../api/index.ts'
import type { Operation } from '../api/operation.ts'
import { formatFingerprint } from '../channel/identity.ts'
import { AdytonError } from '../errors/errors.ts'
import { ON_MISMATCH, type BundleDeleted, type BundleImported, type BundleInspection } from '../zoo/bundle/read.ts'
import type { ImportedSource } from '../zoo/import.ts'
import { bytes, integer, table } from './format.ts'
import type { Runner } from './runner.ts'

export type Flags = Record<string, unknown>

/** Calls an operation with what a command was given. */
export type Call = <O>(
  operation: Operation<v.GenericSchema, O>,
  input: Flags,
  text: (output: O) => string,
  failed?: (output: O) => boolean,
) => Promise<void>

/** Adds a command whose arguments and flags say which operation it calls. */
export type AddAny = (
  usage: string,
  summary: string,
  choose: (flags: Flags, ...args: string[]) => (call: Call) => Promise<void>,
) => Command

const extension = (path: string): string => extname(path).toLowerCase()
const BUNDLE = '.adyton'

const numbers = (text: string): number[] => {
  const values = text.split(',').map((part) => (part.trim() === '' ? NaN : Number(part)))
  if (values.some((value) => !Number.isFinite(value))) throw new InvalidArgumentError('numbers with commas are needed')
  return values
}

interface Given extends Pick<Runner, 'integerArgument' | 'example'> {
  readonly stage: () => Option
}

export function addExchangeCommands(add: AddAny, { stage, integerArgument, example }: Given): void {
  add(
    'import <path>',
    'Brings a model folder, a file of another program or a bundle into the catalog.',
    (flags, path) =>
      extension(path) === BUNDLE
        ? (call) =>
            call(operations.zooImportBundle, bundleInput(flags, path), renderBundle, (done) => 'deleted' in done)
        : (call) => call(operations.zooImport, sourceInput(flags, path), renderSource),
  )
    .addOption(stage())
    .option('--version-of <id>', 'a new version of this model, instead of a new model')
    .option('--from <id>', 'the model of the catalog that it was made of')
    .addOption(new Option('--relation <kind>', 'how it was made of it').choices(['trained-from', 'linearised-from']))
    .option('--link', 'model folders: leave the weights where they are')
    .option('--name <text>', 'name on the card')
    .option('--dataset <text>', 'name of the data set on the card')
    .option('--licence <text>', 'licence on the card')
    .option('--classes <file>', 'names of the classes, one a line')
    .option('--mean <x,y,z>', 'taken off pixels from 0 to 1: one number, or one a channel', numbers)
    .option('--std <x,y,z>', 'what they are divided by then', numbers)
    .option('--invert', 'pictures are dark on light and the network wants light on dark')
    .option('--compare-on <folder>', 'a data set to compare on, beside random images')
    .option('--no-compare', 'do not compare with a second implementation')
    .option('--trust [fingerprint]', 'bundles: trust whoever signed it, or this key alone')
    .addOption(new Option('--on-mismatch <what>', 'bundles whose checksums do not fit').choices(ON_MISMATCH))
    .addHelpText(
      'after',
      example('zoo import resnet.onnx --classes classes.txt --mean 0.49,0.48,0.45 --std 0.25,0.24,0.26'),
    )
  add(
    'inspect <path>',
    operations.zooInspect.summary,
    (_, path) => (call) => call(operations.zooInspect, { path }, renderInspection),
  )
  add(
    'export <id> <path>',
    'Writes a model as a folder, as ONNX (.onnx) or as a bundle (.adyton).',
    (flags, id, path) => {
      const { opset, sign, signerName } = flags
      switch (extension(path)) {
        case BUNDLE:
          return (call) => {
            const signer = {
              ...(sign === undefined ? {} : { sign }),
              ...(signerName === undefined ? {} : { signerName }),
            }
            return call(operations.zooExportBundle, { id, path, ...signer }, (done) => {
              const signed = done.signer === null ? '' : `, signed by ${done.signer.name}`
              return `${done.path}: ${bytes(done.bytes)}, ${done.files.join(', ')}${signed}`
            })
          }
        case '.onnx':
          return (call) =>
            call(operations.zooExportOnnx, { id, path, ...(opset === undefined ? {} : { opset }) }, (done) => {
              return `${done.path}: ${bytes(done.bytes)}`
            })
        default:
          return (call) =>
            call(operations.zooExport, { id, path }, ({ folder, files }) => `${folder}: ${files.join(', ')}`)
      }
    },
  )
    .option('--opset <n>', 'ONNX: the operator set', integerArgument)
    .option('--sign', "bundles: sign with this installation's key")
    .option('--signer-name <name>', 'bundles: who signs, for people')
    .addHelpText('after', example('zoo export 7kq2m4xw9d resnet.adyton --sign --signer-name "Delphi lab"'))
  add('signers', operations.zooSigners.summary, () => (call) => call(operations.zooSigners, {}, renderSigners))
  add(
    'forget-signer <fingerprint>',
    operations.zooForgetSigner.summary,
    (_, fingerprint) => (call) => call(operations.zooForgetSigner, { fingerprint }, renderSigners),
  )
}

/** What only files without a card need is refused where there is one, instead of being left out in silence. */
function bundleInput(flags: Flags, path: string): Flags {
  const { trust, onMismatch, versionOf, stage, compare: _, ...others } = flags
  const [unused] = Object.keys(others)
  if (unused !== undefined) {
    const name = unused.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)
    throw new AdytonError('usage', `--${name} has no meaning for a bundle`, { advice: 'A bundle has its own card.' })
  }
  return {
    path,
    ...(trust === undefined ? {} : { trust: trust === true ? 'accept' : trust }),
    ...(onMismatch === undefined ? {} : { onMismatch }),
    ...(versionOf === undefined ? {} : { versionOf }),
    ...(stage === undefined ? {} : { stage }),
  }
}

function sourceInput(flags: Flags, path: string): Flags {
  const { from, relation, name, dataset, licence, classes, mean, std, invert, trust, onMismatch, ...rest } = flags
  if (trust !== undefined || onMismatch !== undefined) {
    throw new AdytonError('usage', '--trust and --on-mismatch are for bundles (.adyton)')
  }
  const pixels = mean !== undefined || std !== undefined || invert !== undefined
  const card = {
    ...(name === undefined ? {} : { name }),
    ...(dataset === undefined ? {} : { dataset }),
    ...(licence === undefined ? {} : { licence }),
    ...(classes === undefined ? {} : { classNames: lines(classes as string) }),
    ...(pixels ? { preprocessing: { mean: mean ?? [0], std: std ?? [1], invert: invert ?? false } } : {}),
  }
  return {
    ...rest,
    path,
    card,
    ...(from === undefined ? {} : { parent: { id: from, ...(relation === undefined ? {} : { relation }) } }),
  }
}

function lines(file: string): string[] {
  try {
    return readFileSync(file, 'utf8')
      .split(/\r?\n/)
      .map((line) => line.trim())
      .filter((line) => line !== '')
  } catch (cause) {
    throw new AdytonError('file-not-found', `${file} cannot be read`, { advice: 'Check the path.', cause })
  }
}

function renderSource(made: ImportedSource): string {
  const { comparison } = made
  const compared =
    comparison === null
      ? []
      : [
          `Compared with ${comparison.against} on ${integer(comparison.images)} images: logits differ by at most ` +
            `${comparison.largestDifference.toPrecision(2)}, the largest is ${comparison.largestLogit.toPrecision(3)}.`,
        ]
  return [counted(made), ...compared].join('\n')
}

function counted({ name, id, version, relus, macs, params }: Omit<ImportedSource, 'format' | 'notes' | 'comparison'>) {
  return (
    `${name}: model ${id}, version ${version}; ${integer(relus)} ReLUs, ` +
    `${integer(macs)} MACs, ${integer(params)} parameters.`
  )
}

function renderBundle(done: BundleImported | BundleDeleted): string {
  return 'deleted' in done ? `${done.deleted} was deleted; nothing was imported.` : counted(done)
}

function renderInspection({ path, manifest, signer, mismatches }: BundleInspection): string {
  const wrong = new Map(mismatches.map((mismatch) => [mismatch.path, mismatch.problem]))
  return [
    `${path}: ${manifest.name} (${manifest.stage})`,
    signer === null
      ? 'not signed'
      : `signed by ${signer.name}, ${formatFingerprint(signer.fingerprint)} (${signer.standing})`,
    '',
    table(
      ['file', 'size', ''],
      manifest.files.map(({ path: file, size }) => [file, bytes(size), wrong.get(file) ?? 'as it should be']),
    ),
  ].join('\n')
}

function renderSigners({ signers }: { readonly signers: readonly { name: string; fingerprint: string }[] }): string {
  if (signers.length === 0) return 'Nobody is trusted yet.'
  return table(
    ['signer', 'fingerprint'],
    signers.map(({ name, fingerprint }) => [name, formatFingerprint(fingerprint)]),
  )
}
