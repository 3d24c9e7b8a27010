import { strings } from '../app/language.ts'

export const text = strings({
  en: {
    title: 'A digit that nobody else sees',
    subtitle: 'Draw one. A server recognises it, without ever seeing your drawing.',
    go: 'Recognise it privately',
    starting: 'Starting…',
    drawFirst: 'Draw a digit first, or take one of those below the pad.',
    takes: 'Takes a few seconds on most machines.',
    who: 'Who sees what',
    you: 'You see your drawing, and the answer',
    youText: 'The drawing leaves your side only behind random numbers that you alone know.',
    server: 'The server sees noise',
    serverText:
      'It holds the network and computes on masked and encrypted numbers. Not even the answer is shown to it.',
    weights: 'Nobody copies the network',
    weightsText: 'Its weights stay with the server. You learn the answer, and what the answer gives away.',
    here: 'Here, both sides run on this machine as two separate processes.',
    twoMachines: 'Try it with two machines',
    jobs: 'Going on now',
    recent: 'Recent inferences',
    allRuns: 'All of them',
    next: 'What else you can do',
    tasks: [
      {
        to: 'inference',
        title: 'Run any network privately',
        text: 'Photos, whole test sets, your own networks; every second and byte accounted for.',
      },
      {
        to: 'zoo',
        title: 'Keep a zoo of networks',
        text: 'Import, tag, compare and export them; see which is best for its ReLUs.',
      },
      {
        to: 'train',
        title: 'Make a network cheap enough',
        text: 'Train one, or take out the ReLUs that cost the most and keep the accuracy.',
      },
      {
        to: 'machines',
        title: 'Use two machines',
        text: 'One hosts the network, one has the picture; a short code pairs them.',
      },
    ],
    jobOf: (title: string) => `Progress of ${title}`,
  },
})
