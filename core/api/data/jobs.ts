/** Titles for the queue, from what is asked for. */

const MAX_TITLE = 200

/** The last part of a path; without 'zoo:', the id. */
function nameOf(value: unknown): string {
  if (typeof value !== 'string' || value === '') return '?'
  return (
    value
      .replace(/^zoo:/, '')
      .replace(/[\\/]+$/, '')
      .split(/[\\/]/)
      .at(-1) ?? value
  )
}

const count = (value: unknown): string => (typeof value === 'number' ? value.toLocaleString('en-GB') : '?')

const field = (value: unknown, name: string): unknown =>
  typeof value === 'object' && value !== null && Object.hasOwn(value, name)
    ? (value as Readonly<Record<string, unknown>>)[name]
    : undefined

function ofSource(input: unknown): string {
  const source = field(input, 'source')
  return nameOf(field(source, 'model') ?? field(source, 'arch'))
}

const TITLES: Readonly<Record<string, (of: (name: string) => unknown, input: unknown) => string>> = {
  train: (of) => `Train ${nameOf(of('arch'))} on ${nameOf(of('dataset'))}, ${count(of('epochs') ?? 30)} epochs`,
  linearize: (of) => {
    const recipe = field(of('recipe'), 'name')
    const how = typeof recipe === 'string' ? ` by '${recipe}'` : ''
    const to = of('budget') === undefined ? '' : ` to ${count(of('budget'))} ReLUs`
    return `Linearise ${nameOf(of('model'))}${to}${how}`
  },
  sweep: (of) => {
    const budgets = field(of('sweep'), 'budgets')
    return `Sweep ${nameOf(of('model'))}${Array.isArray(budgets) ? ` over ${budgets.length} ReLU budgets` : ''}`
  },
  evaluate: (of) => `Evaluate ${nameOf(of('model'))} on ${nameOf(of('dataset'))}`,
  infer: (_, input) => `Private inference with ${ofSource(input)}`,
  connect: (of) => `Private inference with ${typeof of('host') === 'string' ? String(of('host')) : 'another machine'}`,
  serve: (_, input) => `Serve ${ofSource(input)}`,
  datasetFetch: (of) => `Fetch ${nameOf(of('id'))}`,
  engineFetch: () => 'Fetch the training engine',
  engineFind: (of) => `Use the TensorFlow library in ${nameOf(of('path'))}`,
  engineMeasure: () => 'Measure the training engine',
  benchmarks: () => 'Benchmarks',
  calibrate: () => 'Measure this machine for estimates',
  zooVerify: () => 'Check the catalog',
  zooBackup: () => 'Back up the catalog',
  zooVacuum: () => 'Compact the catalog',
}

/** A title for a job when a person gave none; never empty, at most 200 characters. */
export function jobTitle(operation: string, input: unknown): string {
  const make = Object.hasOwn(TITLES, operation) ? TITLES[operation] : undefined
  return (make?.((name) => field(input, name), input) ?? operation).slice(0, MAX_TITLE) || 'Job'
}
