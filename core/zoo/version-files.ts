/** The files of a version, and the network that they hold. */
import { readFile } from 'node:fs/promises'
import type { Database } from 'better-sqlite3'
import { AdytonError } from '../errors/errors.ts'
import { readSafetensors } from '../formats/safetensors.ts'
import type { Graph, Tensors } from '../network/graph.ts'
import { parseGraph } from '../network/schema.ts'
import type { Role } from './insert.ts'
import type { Zoo } from './zoo.ts'

export interface VersionFile {
  readonly role: Role
  readonly sha256: string
  readonly size: number
}

export function filesOf(db: Database, version: number): VersionFile[] {
  return db
    .prepare(
      `SELECT role, f.sha256, f.size FROM version_files JOIN files f USING (sha256) WHERE version = ? ORDER BY role`,
    )
    .all(version) as VersionFile[]
}

/** Graph and tensors of a version, as they lie in the store; 'zoo verify' is what compares checksums. */
export async function networkOf(zoo: Zoo, version: number): Promise<{ graph: Graph; tensors: Tensors }> {
  const files = filesOf(zoo.db, version)
  const read = async (role: Role): Promise<Buffer> => {
    const file = files.find((one) => one.role === role)
    if (file === undefined) throw new AdytonError('catalog-corrupt', `a version has no ${role}`, { advice: VERIFY })
    try {
      return await readFile(zoo.files.path(file.sha256))
    } catch (cause) {
      const message = `the file ${file.sha256} (${role}) cannot be read`
      throw new AdytonError('catalog-corrupt', message, { advice: VERIFY, cause })
    }
  }
  const graph = parseGraph(JSON.parse((await read('graph')).toString('utf8')))
  return { graph, tensors: readSafetensors(await read('weights')).tensors }
}

const VERIFY = 'Verify the catalog; importing the model again puts a damaged file right.'
