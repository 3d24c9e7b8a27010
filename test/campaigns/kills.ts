/**
 * Kills the client or the server at random moments of offline and online phases. After every kill both stores must
 * open, nothing may have been used twice, the survivor must have said what happened, and the two must be able to go on.
 */
import { randomInt } from 'node:crypto'
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { loadNetwork, lowerNetwork, publicCard } from '../../core/api/source.ts'
import { fixedRunner, quantiseInput } from '../../core/network/fixed.ts'
import type { LoweredModel } from '../../core/network/plan.ts'
import type { PublicCard } from '../../core/protocol/hello.ts'
import { PackageStore } from '../../core/protocol/store/store.ts'
import { noise } from '../fixtures/parties.ts'
import { PartyProcess, type CampaignPhase, type Outcome, type Role } from './party-process.ts'

/** The survivor has this long to say what happened, ms. */
const REPORT_MS = 5_000
/** A living process may take this long to remove what it used, ms. */
const TIDY_MS = 3_000
const ROLES: readonly Role[] = ['client', 'server']

export interface KillOptions {
  /** Kills of each party; half of them offline, half online. */
  readonly kills: Readonly<Record<Role, number>>
  readonly onProgress?: (done: number, total: number) => void
}

export interface KillReport {
  /** Kills that struck in the middle of a phase. */
  readonly struck: Readonly<Record<Role, Record<CampaignPhase, number>>>
  /** Kills that came before the phase had begun at the survivor or after it had ended; not counted above. */
  missed: number
  /** Codes of the survivors' errors. */
  readonly codes: Record<string, number>
  /** Longest time from a kill to the survivor's report, ms. */
  slowestReport: number
  /** Packages that were used to the end, with the right answer. */
  answered: number
  /** Which party had burned the package when an online phase was struck or missed. */
  readonly burned: { neither: number; client: number; both: number }
  /** Packages that only one party was left with: those of the client were refused by the server. */
  readonly oneSided: { client: number; server: number }
  /** Attempts to use a package again that were refused, at the client and at the server. */
  readonly refused: { client: number; server: number }
  readonly failures: string[]
  seconds: number
}

interface Stores {
  readonly ready: Readonly<Record<Role, Set<string>>>
  readonly burned: Readonly<Record<Role, Set<string>>>
}

export async function runKills(options: KillOptions): Promise<KillReport> {
  const folder = await mkdtemp(join(tmpdir(), 'adyton-kills-'))
  const campaign = new Campaign(folder, await smallNetwork())
  try {
    return await campaign.run(options)
  } finally {
    await campaign.end()
    await rm(folder, { recursive: true, force: true })
  }
}

async function smallNetwork(): Promise<{ model: LoweredModel; card: PublicCard }> {
  const network = await loadNetwork({ arch: 'lenet-tiny', classes: 10, reluKeep: 1, seed: 'kills' })
  return { model: lowerNetwork(network), card: publicCard(network) }
}

class Campaign {
  readonly #folder: string
  readonly #log: string
  readonly #model: LoweredModel
  readonly #card: PublicCard
  readonly #image: Float64Array
  /** What the clear fixed-point run gives; with every ReLU kept the private run gives the same. */
  readonly #logits: readonly number[]
  readonly #parties: Partial<Record<Role, PartyProcess>> = {}
  #port = 0
  /** Connections to the server process that runs. */
  #session = 0
  #connected = false
  readonly #fingerprints: Partial<Record<Role, string>> = {}
  /** Milliseconds that undisturbed phases took, the latest ones. */
  readonly #durations: Record<CampaignPhase, number[]> = { offline: [], online: [] }
  readonly #report: KillReport = {
    struck: { client: { offline: 0, online: 0 }, server: { offline: 0, online: 0 } },
    missed: 0,
    codes: {},
    slowestReport: 0,
    answered: 0,
    burned: { neither: 0, client: 0, both: 0 },
    oneSided: { client: 0, server: 0 },
    refused: { client: 0, server: 0 },
    failures: [],
    seconds: 0,
  }

  constructor(folder: string, network: { model: LoweredModel; card: PublicCard }) {
    this.#folder = folder
    this.#log = join(folder, 'used.log')
    this.#model = network.model
    this.#card = network.card
    const { plan } = network.model
    this.#image = quantiseInput(plan, noise(plan.values[0].length, 'kills'))
    this.#logits = [...fixedRunner(network.model)(this.#image).logits]
  }

  async run(options: KillOptions): Promise<KillReport> {
    const begun = performance.now()
    const { struck } = this.#report
    const total = options.kills.client + options.kills.server
    await writeFile(this.#log, '')
    // Two undisturbed inferences show how long the phases take.
    for (let i = 0; i < 2; i++) await this.#use(await this.#prepare())
    const due = (role: Role, phase: CampaignPhase): number =>
      (phase === 'offline' ? Math.ceil(options.kills[role] / 2) : Math.floor(options.kills[role] / 2)) -
      struck[role][phase]
    const { failures } = this.#report
    for (let done = 0; done < total && failures.length === 0;) {
      if (this.#report.missed > 20 + 2 * total) failures.push('most kills miss the phase they are meant for')
      for (const phase of ['online', 'offline'] as const) {
        for (const victim of ROLES) {
          if (due(victim, phase) <= 0) continue
          if (!(await this.#strike(victim, phase))) this.#report.missed++
          else {
            done++
            options.onProgress?.(done, total)
          }
        }
      }
    }
    // What is left over is still good for exactly one use.
    const { ready } = await this.#inspect('at the end')
    for (const id of ready.client) if (ready.server.has(id)) await this.#use(id)
    await this.#inspect('after the last use')
    this.#report.seconds = (performance.now() - begun) / 1000
    return this.#report
  }

  async end(): Promise<void> {
    for (const role of ROLES) await this.#parties[role]?.kill()
  }

  /** One kill; true when it struck in the middle of the phase. */
  async #strike(victim: Role, phase: CampaignPhase): Promise<boolean> {
    const what = `${victim} killed ${phase}`
    const id = phase === 'online' ? await this.#package() : undefined
    const client = await this.#connectedClient()
    const server = await this.#server()
    const work = client.ask<{ package: string } | Inferred>(
      id === undefined ? { do: 'prepare' } : { do: 'infer', package: id, image: this.#image },
    )
    await delay(this.#moment(phase))
    await (victim === 'client' ? client : server).kill()
    this.#connected = false
    const struck = victim === 'client' ? await this.#serverSaid(server, what) : await this.#clientSaid(work, what)
    if (struck) this.#report.struck[victim][phase]++
    const stores = await this.#inspect(what)
    await this.#afterwards(what, stores, id)
    await this.#use(await this.#package())
    return struck
  }

  /** A uniformly random moment of a phase, as long as it lately took; sampled in microseconds. */
  #moment(phase: CampaignPhase): number {
    const recent = this.#durations[phase].slice(-5)
    return randomInt(Math.ceil((1000 * recent.reduce((a, b) => a + b, 0)) / recent.length)) / 1000
  }

  async #clientSaid(work: Promise<Outcome<unknown>>, what: string): Promise<boolean> {
    const killed = performance.now()
    const outcome = await Promise.race([work, delay(REPORT_MS)])
    if (outcome === undefined) return this.#fail(what, 'the client said nothing for 5 s')
    if ('result' in outcome) return false
    if ('died' in outcome) return this.#fail(what, `the client died too: ${this.#parties.client?.stderr}`)
    return this.#reported(what, outcome.error, killed)
  }

  async #serverSaid(server: PartyProcess, what: string): Promise<boolean> {
    const killed = performance.now()
    const events = await server.sessionEnd(this.#session, REPORT_MS)
    if (events === undefined) return this.#fail(what, 'the server said nothing for 5 s')
    if (!server.alive) return this.#fail(what, `the server died too: ${server.stderr}`)
    const count = (kind: string): number => events.filter((event) => event.kind === kind).length
    const broken = events.find((event) => event.kind === 'broken')
    if (broken !== undefined) return this.#reported(what, broken.error, killed)
    if (count('asked') > count('served')) this.#fail(what, 'the server took a broken request for an orderly end')
    return false
  }

  #reported(what: string, error: { code: string; message: string }, killed: number): boolean {
    const { codes } = this.#report
    codes[error.code] = (codes[error.code] ?? 0) + 1
    this.#report.slowestReport = Math.max(this.#report.slowestReport, performance.now() - killed)
    if (error.code === 'internal' || error.message === '') this.#fail(what, `no clear error: ${error.message}`)
    return true
  }

  /** What both stores hold, as a process that opens them now sees it, against the log of uses. */
  async #inspect(what: string): Promise<Stores> {
    const ready: Record<Role, Set<string>> = { client: new Set(), server: new Set() }
    const burned: Record<Role, Set<string>> = { client: new Set(), server: new Set() }
    const uses = (await readFile(this.#log, 'utf8')).split('\n').filter(Boolean)
    for (const role of ROLES) {
      const at = (area: string): Promise<string[]> => readdir(join(this.#folder, 'packages', role, area))
      const store = await PackageStore.open(join(this.#folder, 'packages'), { role })
      for (const { id } of await store.list()) ready[role].add(id)
      for (const id of await at('burned')) burned[role].add(id)
      // One that was burned and not yet moved is off the list, and is removed by a later opening.
      const damaged = (await at('ready')).filter((id) => !ready[role].has(id) && !burned[role].has(id))
      if (damaged.length > 0) this.#fail(what, `the ${role} is left with damaged packages ${damaged.join(', ')}`)
      for (const area of ['building', 'using']) {
        // A server that has just answered may still be tidying up; what a dead process left is gone since the opening.
        let left = await at(area)
        for (let wait = 0; left.length > 0 && wait < TIDY_MS; wait += 50) {
          await delay(50)
          left = await at(area)
        }
        if (left.length > 0) this.#fail(what, `the ${role}'s ${area} holds ${left.join(', ')}`)
      }
      const used = uses.filter((line) => line.startsWith(`${role} `)).map((line) => line.split(' ')[1])
      if (new Set(used).size < used.length) this.#fail(what, `the ${role} used a package twice`)
      for (const id of used) if (!burned[role].has(id)) this.#fail(what, `the ${role} used ${id} without a record`)
      for (const id of ready[role]) if (burned[role].has(id)) this.#fail(what, `burned package ${id} is still on offer`)
    }
    return { ready, burned }
  }

  /** Both go on; what only one has is refused by name, and what was used stays used. */
  async #afterwards(what: string, { ready, burned }: Stores, id: string | undefined): Promise<void> {
    const lone = [...ready.client].filter((one) => !ready.server.has(one))
    for (const one of lone) {
      this.#report.oneSided.client++
      await this.#refusal(what, { do: 'infer', package: one, image: this.#image }, /package-(missing|used)/)
      this.#connected = false
    }
    this.#report.oneSided.server = [...ready.server].filter((one) => !ready.client.has(one)).length
    if (id === undefined) return
    this.#report.burned[burned.server.has(id) ? 'both' : burned.client.has(id) ? 'client' : 'neither']++
    if (burned.client.has(id)) {
      await this.#refusal(what, { do: 'infer', package: id, image: this.#image }, /^package-used/)
      this.#report.refused.client++
    }
    if (burned.server.has(id)) {
      await this.#refusal(what, { do: 'replay', package: id }, /package-used/)
      this.#report.refused.server++
      this.#connected = false
    }
  }

  async #refusal(
    what: string,
    command: { do: 'infer'; package: string; image: Float64Array } | { do: 'replay'; package: string },
    expected: RegExp,
  ): Promise<void> {
    const client = await this.#connectedClient()
    const outcome = await client.ask(command)
    const said = 'error' in outcome ? `${outcome.error.code}: ${outcome.error.message}` : 'no error'
    if (!expected.test(said)) this.#fail(what, `${command.do} of ${command.package} where it must be refused: ${said}`)
  }

  /** A package that both have: one that is left from before, or a new one. */
  async #package(): Promise<string> {
    const { ready } = await this.#inspect('before a kill')
    return [...ready.client].find((id) => ready.server.has(id)) ?? (await this.#prepare())
  }

  async #prepare(): Promise<string> {
    const client = await this.#connectedClient()
    const begun = performance.now()
    const { package: id } = await client.must<{ package: string }>({ do: 'prepare' })
    this.#durations.offline.push(performance.now() - begun)
    return id
  }

  async #use(id: string): Promise<void> {
    const client = await this.#connectedClient()
    const begun = performance.now()
    const { logits } = await client.must<Inferred>({ do: 'infer', package: id, image: this.#image })
    this.#durations.online.push(performance.now() - begun)
    if (logits?.join() !== this.#logits.join()) this.#fail('an undisturbed inference', 'the logits are wrong')
    this.#report.answered++
  }

  async #party(role: Role): Promise<PartyProcess> {
    const running = this.#parties[role]
    if (running?.alive === true) return running
    const party = (this.#parties[role] = new PartyProcess(role))
    this.#connected = false
    this.#fingerprints[role] ??= (
      await party.must<{ fingerprint: string }>({ do: 'identify', role, folder: this.#folder })
    ).fingerprint
    return party
  }

  async #server(): Promise<PartyProcess> {
    const running = this.#parties.server
    if (running?.alive === true) return running
    if (this.#fingerprints.client === undefined) await this.#party('client')
    const server = await this.#party('server')
    const { port } = await server.must<{ port: number }>({
      do: 'serve',
      folder: this.#folder,
      log: this.#log,
      model: this.#model,
      card: this.#card,
      client: this.#fingerprints.client as string,
    })
    this.#port = port
    this.#session = 0
    return server
  }

  async #connectedClient(): Promise<PartyProcess> {
    await this.#server()
    const client = await this.#party('client')
    if (!this.#connected) {
      const server = this.#fingerprints.server as string
      await client.must({ do: 'connect', folder: this.#folder, log: this.#log, port: this.#port, server })
      this.#connected = true
      this.#session++
    }
    return client
  }

  #fail(what: string, why: string): false {
    this.#report.failures.push(`${what}: ${why}`)
    return false
  }
}

interface Inferred {
  readonly label: number
  readonly logits: Float64Array | null
}

function delay(ms: number): Promise<undefined> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms, undefined)
  })
}
