/** Operators that are known and cannot be run, with the reason and what to change. */

interface Refusal {
  readonly reason: string
  readonly advice: string
}

const all = (operators: string, reason: string, advice: string): readonly (readonly [string, Refusal])[] =>
  operators.split(' ').map((operator) => [operator, { reason, advice }] as const)

export const REFUSED: ReadonlyMap<string, Refusal> = new Map([
  ...all(
    'LeakyRelu Sigmoid Tanh Elu Selu Celu Gelu HardSigmoid HardSwish Mish Softplus Softsign Swish Erf ThresholdedRelu ' +
      'Exp Log Sqrt Pow Hardmax Shrink Sin Cos Abs Reciprocal',
    'only ReLU is computed privately',
    'Train the network with ReLU in its place.',
  ),
  ...all(
    'LSTM GRU RNN Loop If Scan',
    'networks with loops or branches cannot be run',
    'Use a feed-forward network of convolutions, dense layers and ReLU.',
  ),
  ...all(
    'InstanceNormalization LayerNormalization GroupNormalization RMSNormalization LRN LpNormalization ' +
      'MeanVarianceNormalization',
    'it normalises by the picture itself',
    'Train the network with BatchNormalization in its place.',
  ),
  ...all(
    'QuantizeLinear DequantizeLinear DynamicQuantizeLinear QLinearConv QLinearMatMul ConvInteger MatMulInteger',
    'the network is quantised',
    'Import the float32 network from which it was made.',
  ),
  ...all(
    'ConvTranspose Resize Upsample DepthToSpace SpaceToDepth',
    'layers that change the resolution so cannot be run',
    'Use convolutions and pooling with strides.',
  ),
  ...all('Attention MultiHeadAttention Einsum', 'attention cannot be run', 'Use a convolutional network.'),
  ...all(
    'GlobalMaxPool LpPool GlobalLpPool',
    'this pool cannot be run',
    'Use MaxPool, AveragePool or GlobalAveragePool.',
  ),
  ...all(
    'ArgMax TopK NonMaxSuppression',
    'the network must end in its scores',
    'Export the network without what picks the answer.',
  ),
])

const UNKNOWN: Refusal = {
  reason: 'this operator cannot be run',
  advice: 'Use convolutions, dense layers, batch normalisation, ReLU, pools, additions and concatenations.',
}

export function whyRefused(operator: string): Refusal {
  return REFUSED.get(operator) ?? UNKNOWN
}
