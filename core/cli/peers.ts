/** Commands about other installations: pairing, who is paired, and what is wrong with a connection. */
import type { Command } from 'commander'
import { Option } from 'commander'
import type { ConnectionTestResult } from '../api/data/connection-test.ts'
import type { Peer } from '../api/data/hosting.ts'
import { operations } from '../api/index.ts'
import { parseAddress } from './address.ts'
import { table } from './format.ts'
import type { Runner } from './runner.ts'

interface Flags {
  data?: string
  json?: boolean
  name?: string
  role?: string
}

const given = ({ data, role, name }: Flags) => ({
  ...(data === undefined ? {} : { data }),
  ...(role === undefined ? {} : { role }),
  ...(name === undefined ? {} : { name }),
})

export function addPeerCommands(program: Command, { run, example }: Runner): void {
  const DATA = ['--data <folder>', 'folder of the identity and the peers'] as const
  const JSON_FLAG = ['--json', 'print one JSON document'] as const
  const role = (): Option => new Option('--role <role>', 'where a peer is both').choices(['client', 'server'])

  program
    .command('pair <address>')
    .description(operations.pair.summary)
    .requiredOption('--code <code>', 'the code that the server shows')
    .option('--name <text>', 'what the server is told this installation is called')
    .option(...DATA)
    .option(...JSON_FLAG)
    .addHelpText('after', example('pair 192.0.2.7:7373 --code 482-915-073'))
    .action(async (address: string, flags: Flags & { code: string }) => {
      const input = { ...parseAddress(address), code: flags.code, ...given(flags) }
      await run(operations.pair, input, flags.json ?? false, (peer) => `Paired with ${peerLine(peer)}.`)
    })

  program
    .command('peers')
    .description(operations.peers.summary)
    .option(...DATA)
    .option(...JSON_FLAG)
    .addHelpText('after', example('peers'))
    .action(async (flags: Flags) => {
      await run(operations.peers, given(flags), flags.json ?? false, renderPeers)
    })

  program
    .command('forget <fingerprint>')
    .description(operations.forgetPeer.summary)
    .addOption(role())
    .option(...DATA)
    .option(...JSON_FLAG)
    .addHelpText('after', example('forget 3f0c:91ab'))
    .action(async (fingerprint: string, flags: Flags) => {
      const input = { fingerprint, ...given(flags) }
      await run(operations.forgetPeer, input, flags.json ?? false, (peer) => `Forgot ${peerLine(peer)}.`)
    })

  program
    .command('rename <fingerprint> <name>')
    .description(operations.renamePeer.summary)
    .addOption(role())
    .option(...DATA)
    .option(...JSON_FLAG)
    .addHelpText('after', example("rename 3f0c:91ab 'the big machine'"))
    .action(async (fingerprint: string, name: string, flags: Flags) => {
      const input = { fingerprint, ...given(flags), name }
      await run(operations.renamePeer, input, flags.json ?? false, (peer) => `Now ${peerLine(peer)}.`)
    })

  program
    .command('test <address>')
    .description(operations.connectionTest.summary)
    .option('--fingerprint <fingerprint>', "the server's fingerprint; not needed once paired")
    .option(...DATA)
    .option(...JSON_FLAG)
    .addHelpText('after', example('test 192.0.2.7:7373'))
    .action(async (address: string, flags: Flags & { fingerprint?: string }) => {
      const { fingerprint } = flags
      const input = {
        ...parseAddress(address),
        ...given(flags),
        ...(fingerprint === undefined ? {} : { fingerprint }),
      }
      await run(operations.connectionTest, input, flags.json ?? false, renderTest, ({ ok }) => !ok)
    })
}

function peerLine({ name, role, fingerprint }: Peer): string {
  return `the ${role} ${name}, ${fingerprint}`
}

function renderPeers(peers: readonly Peer[]): string {
  if (peers.length === 0) return 'No peer is paired.'
  const day = (at: number | null): string => (at === null ? '-' : new Date(at).toISOString().slice(0, 16))
  return table(
    ['role', 'name', 'fingerprint', 'paired', 'last seen', 'address'],
    peers.map((peer) => [
      peer.role,
      peer.name,
      peer.fingerprint.slice(0, 16),
      day(peer.paired),
      day(peer.seen),
      peer.address ?? '-',
    ]),
  )
}

const MARK = { ok: 'ok     ', failed: 'FAILED ', skipped: '-      ' } as const

function renderTest({ steps, models, ok }: ConnectionTestResult): string {
  const lines = steps.flatMap(({ id, state, text, advice }) => [
    `${MARK[state]}${id.padEnd(8)} ${text}`,
    ...(advice === null ? [] : [`${' '.repeat(16)}${advice}`]),
  ])
  if (ok) lines.push('', `It offers: ${models.map(({ id, name }) => `${name} (${id})`).join(', ')}.`)
  return lines.join('\n')
}
