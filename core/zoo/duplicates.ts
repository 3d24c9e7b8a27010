/** Models that are one network more than once. */
import { readFileSync } from 'node:fs'
import { AdytonError } from '../errors/errors.ts'
import { readSafetensors } from '../formats/safetensors.ts'
import type { Graph } from '../network/graph.ts'
import { checkTensors } from '../network/tensors.ts'
import { parseGraph } from '../network/schema.ts'
import { codeOf } from '../protocol/store/files.ts'
import { hashNetwork, hashSample, type NetworkHashes } from './network-hash.ts'
import { newest } from './query/sql.ts'
import { sampleWeights } from './weights-sample.ts'
import type { Zoo } from './zoo.ts'

/**
 * How a model is related to the first of its group, the closest first:
 *
 *   same-files     the same graph and weights files
 *   same-network   the same graph and tensors, whatever the names of nodes, their order, and the rest of the files
 *   masks-differ   the same but for which ReLUs are kept
 *   rounded        the same once weights are rounded to float16
 *   rounded-masks  both
 *   same-weights   the same weights file with a graph that computes something else (another stride, another epsilon)
 */
export const KINSHIPS = [
  'same-files',
  'same-network',
  'masks-differ',
  'rounded',
  'rounded-masks',
  'same-weights',
] as const
export type Kinship = (typeof KINSHIPS)[number]

export interface DuplicateGroup {
  /** Of the model that is least like the first. */
  readonly kinship: Kinship
  /** The oldest first. */
  readonly models: readonly {
    readonly id: string
    readonly name: string
    readonly relus: number | null
    /** To the first; null for the first itself. */
    readonly kinship: Kinship | null
  }[]
}

export interface Duplicates {
  /** In the order of their oldest models. A model of two groups has its weights file in one and its network in the other. */
  readonly groups: readonly DuplicateGroup[]
  /** Newest versions that were compared; models in the trash and those without files are not. */
  readonly models: number
  /** Distinct networks that had to be read whole; the others were told apart by counts, checksums and samples. */
  readonly read: number
  /** Ids of models whose files could not be read. */
  readonly unreadable: readonly string[]
}

interface Candidate {
  readonly id: string
  readonly name: string
  readonly relus: number | null
  readonly counts: string
  readonly graph: string
  readonly weights: string
  /** Place in the order of making. */
  readonly place: number
}

/** Of the newest versions. */
export function duplicatesOf(zoo: Zoo): Duplicates {
  const candidates = candidatesOf(zoo)
  const reader = new Reader(zoo)
  const groups: Candidate[][] = []
  // Masks change the ReLUs, so only the other counts are compared.
  for (const alike of Map.groupBy(candidates, ({ counts }) => counts).values()) {
    groups.push(...networkGroups(alike, reader))
  }
  groups.push(...weightsGroups(candidates, reader))
  const described = groups.toSorted(([a], [b]) => a.place - b.place).map((group) => describe(group, reader))
  return { groups: described, models: candidates.length, read: reader.read, unreadable: reader.unreadable }
}

/** The oldest first. */
function candidatesOf({ db }: Zoo): Candidate[] {
  const rows = db
    .prepare(
      `SELECT m.id, m.name, ${newest('relus')} AS relus, concat_ws(' ', ${newest('macs')}, ${newest('params')}) AS counts,
         g.sha256 AS graph, w.sha256 AS weights
       FROM models m
       JOIN versions v ON v.model = m.key AND v.number = (SELECT max(number) FROM versions WHERE model = m.key)
       JOIN version_files g ON g.version = v.key AND g.role = 'graph'
       JOIN version_files w ON w.version = v.key AND w.role = 'weights'
       WHERE m.trashed_at IS NULL ORDER BY m.created, m.key`,
    )
    .all() as Omit<Candidate, 'place'>[]
  return rows.map((row, place) => ({ ...row, place }))
}

const filesKey = ({ graph, weights }: Candidate): string => `${graph} ${weights}`

/** Groups that agree up to rounding and masks. Files are read only where checksums and samples leave it open. */
function networkGroups(alike: readonly Candidate[], reader: Reader): Candidate[][] {
  const byFiles = [...Map.groupBy(alike, filesKey).values()]
  if (byFiles.length === 1) return alike.length > 1 ? byFiles : []
  const bySample = Map.groupBy(byFiles, ([first]) => reader.sample(first) ?? filesKey(first))
  return [...bySample.values()]
    .flatMap((classes) => {
      if (classes.length === 1) return classes
      const byNetwork = Map.groupBy(classes, ([first]) => reader.hashes(first)?.roundedUnmasked ?? filesKey(first))
      return [...byNetwork.values()].map((same) => same.flat().sort((a, b) => a.place - b.place))
    })
    .filter((group) => group.length > 1)
}

/** Models with one weights file that are not all one network. */
function weightsGroups(candidates: readonly Candidate[], reader: Reader): Candidate[][] {
  return [...Map.groupBy(candidates, ({ weights }) => weights).values()].filter((group) => {
    const graphs = [...Map.groupBy(group, ({ graph }) => graph).values()].map(([first]) => first)
    if (graphs.length === 1) return false
    return new Set(graphs.map((one) => reader.hashes(one)?.roundedUnmasked ?? filesKey(one))).size > 1
  })
}

function describe(group: readonly Candidate[], reader: Reader): DuplicateGroup {
  const [first] = group
  const models = group.map((one) => {
    const kinship = one === first ? null : kinshipOf(first, one, reader)
    return { id: one.id, name: one.name, relus: one.relus, kinship }
  })
  const worst = Math.max(...models.map(({ kinship }) => (kinship === null ? 0 : KINSHIPS.indexOf(kinship))))
  return { kinship: KINSHIPS[worst], models }
}

function kinshipOf(first: Candidate, one: Candidate, reader: Reader): Kinship {
  if (filesKey(first) === filesKey(one)) return 'same-files'
  const [a, b] = [reader.hashes(first), reader.hashes(one)]
  if (a === undefined || b === undefined) return 'same-weights'
  if (a.exact === b.exact) return 'same-network'
  if (a.exactUnmasked === b.exactUnmasked) return 'masks-differ'
  if (a.rounded === b.rounded) return 'rounded'
  return a.roundedUnmasked === b.roundedUnmasked ? 'rounded-masks' : 'same-weights'
}

/** Reads each network once; one that cannot be read is undefined and remembered. */
class Reader {
  private readonly zoo: Zoo
  private readonly known = new Map<string, NetworkHashes | undefined>()
  private readonly failed = new Set<string>()
  private graph: { sha256: string; graph: Graph } | undefined
  read = 0

  constructor(zoo: Zoo) {
    this.zoo = zoo
  }

  get unreadable(): string[] {
    return [...this.failed]
  }

  sample(candidate: Candidate): string | undefined {
    return this.attempt(candidate, (graph, path) => {
      const samples = sampleWeights(path)
      return hashSample(graph, (name) => {
        const sample = samples.get(name)
        if (sample === undefined) throw new AdytonError('model-invalid', `${path} has no tensor '${name}'`)
        return sample
      })
    })
  }

  hashes(candidate: Candidate): NetworkHashes | undefined {
    const key = filesKey(candidate)
    if (this.known.has(key)) return this.known.get(key)
    const hashes = this.attempt(candidate, (graph, path) => {
      this.read++
      const { tensors } = readSafetensors(readFileSync(path), path)
      checkTensors(graph, tensors)
      return hashNetwork(graph, tensors)
    })
    this.known.set(key, hashes)
    return hashes
  }

  private attempt<T>(candidate: Candidate, action: (graph: Graph, path: string) => T): T | undefined {
    try {
      return action(this.graphOf(candidate), this.zoo.files.path(candidate.weights))
    } catch (error) {
      const broken = error instanceof AdytonError || error instanceof SyntaxError || codeOf(error) !== undefined
      if (!broken) throw error
      this.failed.add(candidate.id)
      return undefined
    }
  }

  /** Of many models with the same counts, most share one file. */
  private graphOf({ graph: sha256 }: Candidate): Graph {
    if (this.graph?.sha256 !== sha256) {
      const text = readFileSync(this.zoo.files.path(sha256), 'utf8')
      this.graph = { sha256, graph: parseGraph(JSON.parse(text)) }
    }
    return this.graph.graph
  }
}
