import { strings } from '../app/language.ts'

export const text = strings({
  en: {
    title: 'Benchmarks',
    subtitle: 'How fast this machine does what private inference is made of, each on one thread.',
    run: 'Measure',
    again: 'Measure again',
    jobTitle: 'Benchmarks',
    what: 'What',
    on: 'Kernel',
    value: 'Speed',
    against: 'Beside',
    ratio: 'Times as fast',
    empty: 'Nothing measured yet',
    emptyText: 'It takes about ten seconds. Close what keeps the processor busy for figures that mean something.',
    problem: 'The native kernels do not run here, so everything is slower than it could be:',
    machine: (name: string, when: string) => `${name}, ${when}.`,
    logarithmic: 'Bars are on a logarithmic scale.',
    csv: 'CSV',
    json: 'JSON',
  },
})
