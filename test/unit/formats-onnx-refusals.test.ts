import { describe, expect, it } from 'vitest'
import { encodeModel } from '../../core/formats/onnx/proto.ts'
import { AdytonError } from '../../core/errors/errors.ts'
import { floats, imported, ints, modelOf, type ModelSpec, type NodeSpec } from '../fixtures/onnx-models.ts'
import { valueInfo } from '../../core/formats/onnx/make.ts'

const MAP = ['N', 3, 8, 7]
const VECTOR = ['N', 6]

type Weights = NonNullable<ModelSpec['weights']>

/** What is refused, the message, and the model in opset 13 (or another) that ends in 'y'. */
type Row = readonly [string, RegExp, readonly NodeSpec[], Weights?, ModelSpec['input']?, number?]

const operators: readonly Row[] = [
  ['LeakyRelu', /node 'y' \(LeakyRelu\): only ReLU is computed privately/, [['LeakyRelu', 'x', 'y']]],
  ['Sigmoid', /node 'y' \(Sigmoid\): only ReLU/, [['Sigmoid', 'x', 'y']]],
  ['Tanh', /node 'y' \(Tanh\): only ReLU/, [['Tanh', 'x', 'y']]],
  ['HardSwish', /node 'y' \(HardSwish\): only ReLU/, [['HardSwish', 'x', 'y']]],
  ['LSTM', /node 'y' \(LSTM\): networks with loops or branches/, [['LSTM', 'x', 'y']]],
  ['Resize', /node 'y' \(Resize\): layers that change the resolution/, [['Resize', 'x', 'y']]],
  ['QLinearConv', /node 'y' \(QLinearConv\): the network is quantised/, [['QLinearConv', 'x', 'y']]],
  [
    'LayerNormalization',
    /node 'y' \(LayerNormalization\): it normalises by the picture/,
    [['LayerNormalization', 'x', 'y']],
  ],
  ['ArgMax', /node 'y' \(ArgMax\): the network must end in its scores/, [['ArgMax', 'x', 'y']]],
  ['an unknown operator', /node 'y' \(Mystery\): this operator cannot be run/, [['Mystery', 'x', 'y']]],
]

const pad = (...numbers: number[]): Weights => ({ p: ints(...numbers) })

const attributes: readonly Row[] = [
  ['Conv over a line', /Conv\): weights with 3 axes/, [['Conv', 'x w', 'y']], { w: [4, 3, 3] }],
  [
    'Conv, kernel_shape of another size',
    /kernel_shape 5 by 5 with weights of 3 by 3/,
    [['Conv', 'x w', 'y', { kernel_shape: [5, 5] }]],
    { w: [4, 3, 3, 3] },
  ],
  ['Conv, uneven strides', /strides 1 and 2 differ/, [['Conv', 'x w', 'y', { strides: [1, 2] }]], { w: [4, 3, 3, 3] }],
  ['Conv, computed weights', /its weights are computed by the network/, [['Conv', 'x x', 'y']]],
  [
    'Conv, negative pads',
    /negative pads \[-1, 0, 0, 0\]/,
    [['Conv', 'x w', 'y', { pads: [-1, 0, 0, 0] }]],
    { w: [4, 3, 3, 3] },
  ],
  ['Conv, three pads', /3 pads/, [['Conv', 'x w', 'y', { pads: [1, 0, 0] }]], { w: [4, 3, 3, 3] }],
  ['Conv, auto_pad', /auto_pad 'SOME'/, [['Conv', 'x w', 'y', { auto_pad: 'SOME' }]], { w: [4, 3, 3, 3] }],
  [
    'Conv, groups that do not divide',
    /2 groups of 3 channels/,
    [['Conv', 'x w', 'y', { group: 2 }]],
    { w: [4, 1, 3, 3] },
  ],
  [
    'Conv, weights of other channels',
    /weight has 180 numbers, expected \[4, 3, 3, 3\]/,
    [['Conv', 'x w', 'y']],
    { w: [4, 5, 3, 3] },
  ],
  [
    'Conv, whole-number weights',
    /its weights are whole numbers/,
    [['Conv', 'x w', 'y']],
    { w: { dims: [1, 3, 1, 1], data: [1, 2, 3] } },
  ],
  [
    'Conv, channels last',
    /its input \[N, 8, 7, 3\] has its channels not in second place/,
    [
      ['Transpose', 'x', 't', { perm: [0, 2, 3, 1] }],
      ['Conv', 't w', 'y'],
    ],
    { w: [4, 8, 3, 3] },
  ],
  ['Conv, other numbers of biases', /3 biases for 4 channels/, [['Conv', 'x w b', 'y']], { w: [4, 3, 3, 3], b: [3] }],
  ['Gemm, transA', /Gemm\): transA = 1/, [['Gemm', 'x w', 'y', { transA: 1 }]], { w: [6, 4] }, VECTOR],
  ['Gemm of a map', /needs \[N, features\], got \[N, 3, 8, 7\]/, [['Gemm', 'x w', 'y']], { w: [6, 4] }],
  [
    'Gemm, weights that do not fit',
    /weights of shape \[5, 4\] for 6 features/,
    [['Gemm', 'x w', 'y']],
    { w: [5, 4] },
    VECTOR,
  ],
  [
    'Gemm, biases that do not fit',
    /biases of shape \[3\] for 4 features/,
    [['Gemm', 'x w b', 'y']],
    { w: [6, 4], b: [3] },
    VECTOR,
  ],
  ['MatMul of values', /its weights are computed by the network/, [['MatMul', 'x x', 'y']], {}, VECTOR],
  ['MatMul, constant first', /multiplies a constant by a value/, [['MatMul', 'w x', 'y']], { w: [6, 6] }, VECTOR],
  [
    'BatchNormalization that trains',
    /it normalises by the batch/,
    [['BatchNormalization', 'x a a a a', 'y', { training_mode: 1 }]],
    { a: [3] },
    MAP,
    15,
  ],
  [
    'BatchNormalization with more outputs',
    /it normalises by the batch/,
    [['BatchNormalization', 'x a a a a', 'y m v']],
    { a: [3] },
    MAP,
    9,
  ],
  [
    'BatchNormalization, spatial = 0',
    /spatial = 0/,
    [['BatchNormalization', 'x a a a a', 'y', { spatial: 0 }]],
    { a: [3, 8, 7] },
    MAP,
    7,
  ],
  [
    'BatchNormalization of other channels',
    /4 scales for 3 channels/,
    [['BatchNormalization', 'x a a a a', 'y']],
    { a: [4] },
  ],
  [
    'BatchNormalization, variance below 0',
    /a variance below 0/,
    [['BatchNormalization', 'x a a a v', 'y']],
    { a: [3], v: floats([3], 1, -1, 1) },
  ],
  ['Clip from -1', /clips to -1 to 1/, [['Clip', 'x a b', 'y']], { a: floats([], -1), b: floats([], 1) }],
  ['Clip to 6 from below', /clips to -Infinity to 6/, [['Clip', 'x', 'y', { max: 6 }]], {}, MAP, 7],
  ['PRelu, computed slopes', /its slopes are computed/, [['PRelu', 'x x', 'y']]],
  [
    'PRelu, slopes by element',
    /a constant that differs from place to place/,
    [['PRelu', 'x s', 'y']],
    { s: [3, 8, 7] },
  ],
  [
    'Add of other shapes',
    /joins values of shapes \[N, 3, 8, 7\] and \[N, 3, 1, 1\]/,
    [
      ['GlobalAveragePool', 'x', 'g'],
      ['Add', 'x g', 'y'],
    ],
  ],
  ['Add by pixel', /a constant that differs from place to place/, [['Add', 'x c', 'y']], { c: [8, 7] }],
  [
    'Add that repeats the value',
    /a constant of shape \[2, 3, 8, 7\] with a value of shape \[N, 3, 8, 7\]/,
    [['Add', 'x c', 'y']],
    { c: [2, 3, 8, 7] },
  ],
  ['Mul of values', /multiplies two values of the network/, [['Mul', 'x x', 'y']]],
  ['Div by a value', /divides by a value/, [['Div', 'c x', 'y']], { c: [1] }],
  ['Div by 0', /divides by 0/, [['Div', 'x c', 'y']], { c: floats([], 0) }],
  ['Concat along height', /joins along axis 2, which is not the channels/, [['Concat', 'x x', 'y', { axis: 2 }]]],
  [
    'AveragePool, padding left out',
    /an average that leaves its padding out/,
    [['AveragePool', 'x', 'y', { kernel_shape: [3, 3], pads: [1, 1, 1, 1] }]],
  ],
  [
    'AveragePool, dilations',
    /dilations of 2 and 2/,
    [['AveragePool', 'x', 'y', { kernel_shape: [2, 2], dilations: [2, 2] }]],
    {},
    MAP,
    19,
  ],
  [
    'AveragePool, ceil_mode',
    /ceil_mode = 1/,
    [['AveragePool', 'x', 'y', { kernel_shape: [3, 3], strides: [2, 2], ceil_mode: 1 }]],
  ],
  [
    'MaxPool, Indices',
    /its second output, the places of the maxima/,
    [['MaxPool', 'x', 'y i', { kernel_shape: [2, 2] }]],
  ],
  [
    'MaxPool, uneven pads',
    /uneven padding \(0, 0, 1, 1\) of a maximum/,
    [['MaxPool', 'x', 'y', { kernel_shape: [2, 2], pads: [0, 0, 1, 1] }]],
  ],
  ['MaxPool without kernel_shape', /has no kernel_shape/, [['MaxPool', 'x', 'y']]],
  ['ReduceMean over channels', /a mean over axes 1/, [['ReduceMean', 'x', 'y', { axes: [1] }]]],
  ['ReduceMean over height', /a mean over axes 2/, [['ReduceMean', 'x', 'y', { axes: [2] }]]],
  ['ReduceMean over everything', /a mean over the images of a batch/, [['ReduceMean', 'x', 'y']]],
  ['Flatten from axis 2', /flattens from axis 2/, [['Flatten', 'x', 'y', { axis: 2 }]]],
  ['Reshape to a cut axis', /shape \[1, 3, 8, 7\] to \[1, 6, 28\]/, [['Reshape', 'x s', 'y']], { s: ints(0, 6, 28) }],
  ['Reshape of the batch', /mixes the images of a batch/, [['Reshape', 'x s', 'y']], { s: ints(3, -1) }],
  ['Reshape to other sizes', /shape \[1, 3, 8, 7\] to \[0, 5, -1\]/, [['Reshape', 'x s', 'y']], { s: ints(0, 5, -1) }],
  [
    'Reshape, computed shape',
    /its shape are computed|its shape is computed|computed by the network/,
    [['Reshape', 'x x', 'y']],
  ],
  ['Transpose of the batch', /moves the batch/, [['Transpose', 'x', 'y', { perm: [1, 0, 2, 3] }]]],
  ['Transpose, damaged', /perm 0, 0, 2, 3 of 4 axes/, [['Transpose', 'x', 'y', { perm: [0, 0, 2, 3] }]]],
  [
    'Transpose at the end',
    /its output \[N, 8, 7, 3\] is not laid out/,
    [
      ['Relu', 'x', 'r'],
      ['Transpose', 'r', 'y', { perm: [0, 2, 3, 1] }],
    ],
  ],
  ['Squeeze of a wide axis', /axis 1 has size 3/, [['Squeeze', 'x a', 'y']], { a: ints(1) }],
  ['Squeeze without axes', /has no axes/, [['Squeeze', 'x', 'y']]],
  ['Unsqueeze before the batch', /adds an axis before the batch/, [['Unsqueeze', 'x a', 'y']], { a: ints(0) }],
  ['Pad of channels', /pads something other than height and width/, [['Pad', 'x p', 'y']], pad(0, 1, 0, 0, 0, 0, 0, 0)],
  ['Pad with reflections', /mode 'reflect'/, [['Pad', 'x p', 'y', { mode: 'reflect' }]], pad(0, 0, 1, 1, 0, 0, 1, 1)],
  ['Pad with ones', /pads with 1/, [['Pad', 'x p v', 'y']], { ...pad(0, 0, 1, 1, 0, 0, 1, 1), v: floats([], 1) }],
  ['Pad of less', /negative pads/, [['Pad', 'x p', 'y']], pad(0, 0, -1, 0, 0, 0, 0, 0)],
  [
    'Pad before Relu',
    /reads a value with padding around it/,
    [
      ['Pad', 'x p', 'q'],
      ['Relu', 'q', 'y'],
    ],
    pad(0, 0, 1, 1, 0, 0, 1, 1),
  ],
  [
    'Pad before MaxPool',
    /a maximum over zeros that a Pad/,
    [
      ['Pad', 'x p', 'q'],
      ['MaxPool', 'q', 'y', { kernel_shape: [2, 2] }],
    ],
    pad(0, 0, 1, 1, 0, 0, 1, 1),
  ],
  [
    'Pad at the end',
    /it ends in a Pad/,
    [
      ['Relu', 'x', 'r'],
      ['Pad', 'r p', 'y'],
    ],
    pad(0, 0, 1, 1, 0, 0, 1, 1),
  ],
  ['Dropout that drops', /it drops values/, [['Dropout', 'x r t', 'y']], { r: floats([], 0.5), t: ints(1) }],
  [
    'Dropout with its mask',
    /its second output, the mask/,
    [
      ['Dropout', 'x', 'd m'],
      ['Mul', 'd m', 'y'],
    ],
  ],
  [
    'Softmax in the middle',
    /reads the result of Softmax/,
    [
      ['Softmax', 'x', 's'],
      ['Relu', 's', 'y'],
    ],
    {},
    VECTOR,
  ],
  ['Softmax by pixel', /works on parts of a value/, [['Softmax', 'x', 'y', { axis: 1 }]]],
  ['Cast to float16', /turns a value into float16/, [['Cast', 'x', 'y', { to: 10 }]]],
  ['Slice', /takes a part of a value/, [['Slice', 'x a b', 'y']], { a: ints(0), b: ints(1) }],
  ['nothing but constants', /its output does not depend on its input/, [['Identity', 'c', 'y']], { c: [3] }],
]

const build = ([, , nodes, weights = {}, input = MAP, opset = 13]: Row) => modelOf({ opset, input, nodes, weights })

async function refusal(bytes: Uint8Array): Promise<AdytonError> {
  const error = await imported(bytes).catch((e: unknown) => e)
  if (error instanceof AdytonError) return error
  throw new Error(`no AdytonError: ${String(error)}`)
}

describe('ONNX operators that cannot be run', () => {
  it.each([...operators, ...attributes].map((row) => [row[0], row] as const))('%s', async (_, row) => {
    const error = await refusal(encodeModel(build(row)))
    expect(error.message).toMatch(row[1])
    expect(error.code).toBe('file-unsupported')
    expect(error.advice).toBeTruthy()
  })
})

const relu: ModelSpec = { opset: 13, input: MAP, nodes: [['Relu', 'x', 'y']] }
const whole = modelOf(relu)
const graph = whole.graph ?? {}

describe('ONNX files that cannot be run', () => {
  it.each([
    ['an old opset', /opset 6 is too old/, { ...whole, opsetImport: [{ domain: '', version: 6 }] }],
    ['a new opset', /opset 27 is too new/, { ...whole, opsetImport: [{ domain: '', version: 27 }] }],
    ['no opset', /names no version of the standard operators/, { ...whole, opsetImport: [] }],
    ['no graph', /holds no graph/, { irVersion: 7, opsetImport: [{ version: 13 }] }],
    [
      'another domain',
      /node 'y' \(Relu\): an operator of the domain 'com.microsoft'/,
      { ...whole, graph: { ...graph, node: [{ ...(graph.node?.[0] ?? {}), domain: 'com.microsoft' }] } },
    ],
    [
      'two outputs',
      /has 2 outputs: 'y', 'z'/,
      { ...whole, graph: { ...graph, output: [{ name: 'y' }, { name: 'z' }] } },
    ],
    ['no output', /has no output/, { ...whole, graph: { ...graph, output: [] } }],
    [
      'an output of nothing',
      /nothing writes its output 'z'/,
      { ...whole, graph: { ...graph, output: [{ name: 'z' }] } },
    ],
    [
      'two inputs',
      /has 2 inputs: 'x', 'z'/,
      { ...whole, graph: { ...graph, input: [valueInfo('x', MAP), valueInfo('z', MAP)] } },
    ],
    ['no input', /has no input/, { ...whole, graph: { ...graph, input: [] } }],
    [
      'an open height',
      /a size that is not fixed: 'H'/,
      { ...whole, graph: { ...graph, input: [valueInfo('x', ['N', 3, 'H', 7])] } },
    ],
    [
      'a size below 0',
      /a size that is not fixed: -8/,
      { ...whole, graph: { ...graph, input: [valueInfo('x', ['N', 3, -8, 7])] } },
    ],
    ['a volume', /its input has 5 axes/, { ...whole, graph: { ...graph, input: [valueInfo('x', ['N', 3, 8, 7, 2])] } }],
    [
      'float16',
      /its input is of type float16/,
      { ...whole, graph: { ...graph, input: [{ name: 'x', type: { tensorType: { elemType: 10 } } }] } },
    ],
    [
      'sparse weights',
      /weights in sparse form/,
      { ...whole, graph: { ...graph, sparseInitializer: [{ values: { dims: [1] } }] } },
    ],
  ])('%s', async (_, message, model) => {
    const error = await refusal(encodeModel(model))
    expect(error.message).toMatch(message)
    expect(error.advice).toBeTruthy()
  })
})
