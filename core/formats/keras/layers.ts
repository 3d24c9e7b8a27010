/** What each class of layer of Keras becomes: one table, by class name. */
import type { Origin } from '../import/builder.ts'
import { refuseNode } from '../import/format.ts'
import type { LayerConfig } from './layer-config.ts'
import type { DataFormat, TensorFlowBuilder, Value, Window } from './values.ts'

export interface LayerContext {
  readonly origin: Origin
  readonly config: LayerConfig
  readonly inputs: readonly Value[]
  readonly build: TensorFlowBuilder
  readonly format: DataFormat
  /** The layer's next variable, by any of `names`; refuses a file where it is missing or of another shape. */
  readonly weight: (names: readonly string[], shape: readonly number[]) => Float32Array
}

type Layer = (context: LayerContext) => Value

const WITH_RELU = 'Train the model with ReLU, ReLU6 or PReLU.'

function single({ origin, inputs }: LayerContext): Value {
  if (inputs.length !== 1) {
    refuseNode(origin.name, origin.operator, `has ${inputs.length} inputs, expected one`, 'The file is damaged.')
  }
  return inputs[0]
}

function activate({ origin, build }: LayerContext, x: Value, activation: string): Value {
  const named = { ...origin, name: `${origin.name}_${activation}` }
  switch (activation) {
    case 'linear':
      return x
    case 'relu':
      return build.relu(named, x)
    case 'relu6':
      return build.relu(named, x, 6)
    case 'softmax':
      // The layer's own name: the reference is told by it which softmax to leave out.
      return build.softmax(origin, x)
    default:
      return refuseNode(origin.name, origin.operator, `activation '${activation.slice(0, 64)}'`, WITH_RELU)
  }
}

function windowOf({ config }: LayerContext, kernel: string, withDilation: boolean): Window {
  const window = { kernel: config.pair(kernel), padding: config.padding() }
  if (!withDilation) return { ...window, strides: config.pair('strides', window.kernel) }
  return { ...window, strides: config.pair('strides', [1, 1]), dilations: config.pair('dilation_rate', [1, 1]) }
}

const conv2d: Layer = (context) => {
  const { origin, config, build, weight } = context
  const x = single(context)
  const [channels] = build.map(origin, x)
  const window = windowOf(context, 'kernel_size', true)
  const out = config.count('filters')
  const groups = config.count('groups', 1)
  const kernel = weight(['kernel'], [...window.kernel, channels / groups, out])
  const bias = config.flag('use_bias', true) ? weight(['bias'], [out]) : undefined
  return activate(context, build.conv(origin, x, kernel, { ...window, out, groups, bias }), config.activation())
}

const depthwise: Layer = (context) => {
  const { origin, config, build, weight } = context
  const x = single(context)
  const [channels] = build.map(origin, x)
  const window = windowOf(context, 'kernel_size', true)
  const multiplier = config.count('depth_multiplier', 1)
  const kernel = weight(['depthwise_kernel', 'kernel'], [...window.kernel, channels, multiplier])
  const bias = config.flag('use_bias', true) ? weight(['bias'], [channels * multiplier]) : undefined
  return activate(context, build.depthwise(origin, x, kernel, { ...window, multiplier, bias }), config.activation())
}

const separable: Layer = (context) => {
  const { origin, config, build, weight } = context
  const x = single(context)
  const [channels] = build.map(origin, x)
  const window = windowOf(context, 'kernel_size', true)
  const multiplier = config.count('depth_multiplier', 1)
  const out = config.count('filters')
  const first = weight(['depthwise_kernel'], [...window.kernel, channels, multiplier])
  const second = weight(['pointwise_kernel'], [1, 1, channels * multiplier, out])
  const bias = config.flag('use_bias', true) ? weight(['bias'], [out]) : undefined
  const each = build.depthwise({ ...origin, name: `${origin.name}_depthwise` }, x, first, { ...window, multiplier })
  const pointwise = { kernel: [1, 1], strides: [1, 1], padding: 'valid', out, groups: 1, bias } as const
  return activate(context, build.conv(origin, each, second, pointwise), config.activation())
}

const dense: Layer = (context) => {
  const { origin, config, build, weight } = context
  const x = single(context)
  const out = config.count('units')
  const kernel = weight(['kernel'], [x.shape[x.shape.length - 1], out])
  const bias = config.flag('use_bias', true) ? weight(['bias'], [out]) : undefined
  return activate(context, build.dense(origin, x, kernel, out, bias), config.activation())
}

const batchNormalization: Layer = (context) => {
  const { origin, config, build, weight } = context
  const x = single(context)
  const channels = build.channelAxis(origin, x, config.axis())
  const some = (present: boolean, name: string, otherwise: number): Float32Array =>
    present ? weight([name], [channels]) : new Float32Array(channels).fill(otherwise)
  if (config.flag('renorm', false)) refuseNode(origin.name, origin.operator, 'renorm', 'Train without renorm.')
  const gamma = some(config.flag('scale', true), 'gamma', 1)
  const beta = some(config.flag('center', true), 'beta', 0)
  const mean = some(true, 'moving_mean', 0)
  const variance = some(true, 'moving_variance', 1)
  return build.batchNorm(origin, x, { gamma, beta, mean, variance }, config.number('epsilon', 1e-3))
}

const relu: Layer = (context) => {
  const { origin, config, build } = context
  const bound = config.numbers('max_value')
  for (const key of ['negative_slope', 'threshold']) {
    const [value] = config.numbers(key) ?? [0]
    if (value !== 0) refuseNode(origin.name, origin.operator, `${key} ${value}`, WITH_RELU)
  }
  if (bound !== undefined && !(bound[0] > 0)) {
    refuseNode(origin.name, origin.operator, `max_value ${bound[0]}`, 'The bound must be above 0.')
  }
  return build.relu(origin, single(context), bound?.[0])
}

const prelu: Layer = (context) => {
  const { origin, config, build, format, weight } = context
  const x = single(context)
  const shared = config.integers('shared_axes') ?? []
  const spatial = format === 'channels_last' ? [1, 2] : [2, 3]
  const all = shared.length === 2 && spatial.every((axis) => shared.includes(axis)) && x.shape.length === 3
  if (shared.length > 0 && !all) {
    const what = `slopes shared over the axes ${shared.join(', ')}`
    refuseNode(origin.name, origin.operator, what, 'Share them over height and width, or not at all.')
  }
  const shape = x.shape.map((d, i) => (all && spatial.includes(i + 1) ? 1 : d))
  return build.prelu(origin, x, weight(['alpha'], shape))
}

const rescaling: Layer = (context) => {
  const { origin, config, build } = context
  const x = single(context)
  const parameters = (key: string, otherwise: number): Float32Array =>
    perChannel(context, x, config.numbers(key) ?? [otherwise])
  const [scale, shift] = [parameters('scale', 1), parameters('offset', 0)]
  build.builder.note(origin, `the network scales its values itself: x * ${scale[0]} + ${shift[0]}`)
  return build.affine(origin, x, scale, shift)
}

/** One number for all, or one a channel on the last axis. */
function perChannel({ origin, build }: LayerContext, x: Value, values: readonly number[]): Float32Array {
  if (values.length === 1)
    return new Float32Array(x.shape.length === 1 ? x.shape[0] : build.builder.shape(x.id)[0]).fill(values[0])
  const channels = build.channelAxis(origin, x, -1)
  if (values.length === channels) return Float32Array.from(values)
  return refuseNode(
    origin.name,
    origin.operator,
    `${values.length} numbers for ${channels} channels`,
    'The file is damaged.',
  )
}

const normalization: Layer = (context) => {
  const { origin, config, build, weight } = context
  const x = single(context)
  const axes = config.integers('axis') ?? []
  if (axes.length > 1) refuseNode(origin.name, origin.operator, `axes ${axes.join(', ')}`, 'Use one axis, or none.')
  const shape = axes.length === 0 ? [] : [build.channelAxis(origin, x, axes[0])]
  const mean = config.numbers('mean') ?? [...weight(['mean'], shape)]
  const variance = config.numbers('variance') ?? [...weight(['variance'], shape)]
  const deviation = variance.map((a) => Math.max(Math.sqrt(a), 1e-7))
  const [m, d] = [perChannel(context, x, mean), perChannel(context, x, deviation)]
  build.builder.note(origin, 'the network normalises its values itself')
  if (config.flag('invert', false)) return build.affine(origin, x, d, m)
  const scale = d.map((a) => 1 / a)
  return build.affine(
    origin,
    x,
    scale,
    m.map((a, i) => -a / d[i]),
  )
}

const zeroPadding: Layer = (context) => {
  const { origin, config, build } = context
  return build.pad(origin, single(context), config.zeroPadding())
}

const flatten: Layer = (context) => {
  const { origin, config, build } = context
  return build.flatten(origin, single(context), config.format() ?? 'channels_last')
}

const reshape: Layer = (context) => {
  const { origin, config, build } = context
  const target = config.integers('target_shape') ?? []
  return build.reshape(origin, single(context), target)
}

const softmax: Layer = (context) => {
  const { origin, config, build } = context
  const x = single(context)
  build.channelAxis(origin, x, config.axis())
  return build.softmax(origin, x)
}

const pooling =
  (kind: 'averagePool' | 'maxPool'): Layer =>
  (context) =>
    context.build[kind](context.origin, single(context), windowOf(context, 'pool_size', false))

/** Layers that change something while training only. */
const NOTHING = [
  ...['Dropout', 'SpatialDropout2D', 'AlphaDropout', 'GaussianDropout', 'GaussianNoise', 'ActivityRegularization'],
  ...[
    'Identity',
    'RandomFlip',
    'RandomRotation',
    'RandomZoom',
    'RandomTranslation',
    'RandomContrast',
    'RandomBrightness',
  ],
  ...['RandomShear', 'RandomErasing', 'RandomSharpness', 'RandomHue', 'RandomSaturation', 'RandomGrayscale'],
  ...['RandomColorJitter', 'RandomColorDegeneration', 'RandomPosterization', 'RandomInvert', 'RandomPerspective'],
  ...['RandomGaussianBlur', 'RandomElasticTransform', 'RandAugment', 'AugMix', 'CutMix', 'MixUp'],
]

export const LAYERS: ReadonlyMap<string, Layer> = new Map<string, Layer>([
  ...NOTHING.map((name): [string, Layer] => [name, single]),
  ['Conv2D', conv2d],
  ['Convolution2D', conv2d],
  ['DepthwiseConv2D', depthwise],
  ['SeparableConv2D', separable],
  ['Dense', dense],
  ['BatchNormalization', batchNormalization],
  ['ReLU', relu],
  ['PReLU', prelu],
  ['Activation', (context) => activate(context, single(context), context.config.activation())],
  ['Softmax', softmax],
  ['Add', ({ origin, inputs, build }) => build.add(origin, inputs)],
  ['Concatenate', ({ origin, inputs, build, config }) => build.concat(origin, inputs, config.axis())],
  ['AveragePooling2D', pooling('averagePool')],
  ['MaxPooling2D', pooling('maxPool')],
  [
    'GlobalAveragePooling2D',
    (context) =>
      context.build.globalAveragePool(context.origin, single(context), context.config.flag('keepdims', false)),
  ],
  ['Flatten', flatten],
  ['Reshape', reshape],
  ['Rescaling', rescaling],
  ['Normalization', normalization],
  ['ZeroPadding2D', zeroPadding],
])

/** What is said of layers that people are likely to bring. */
const REFUSED: ReadonlyMap<string, readonly [reason: string, advice: string]> = new Map([
  ['LeakyReLU', ['its slope below zero is not run privately', WITH_RELU]],
  ['Lambda', ['a function, and code in a file is never run', "Use one of Keras' own layers in its place."]],
  ['GlobalMaxPooling2D', ['a maximum over the whole map', 'Use GlobalAveragePooling2D.']],
  ['TFOpLambda', ['an operation outside of a layer', "Use one of Keras' own layers, such as Add, in its place."]],
  ['Conv2DTranspose', ['a transposed convolution', 'Only classifiers can be run.']],
])

/** The function of a class of layers; undefined for one that is not known. */
export function layerOf(origin: Origin): Layer | undefined {
  const refused = REFUSED.get(origin.operator)
  if (refused !== undefined) refuseNode(origin.name, origin.operator, ...refused)
  return LAYERS.get(origin.operator)
}
