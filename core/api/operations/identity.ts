/** identity: this installation's fingerprint, which a server's operator allows. */
import * as v from 'valibot'
import { formatFingerprint, loadOrCreateIdentity } from '../../channel/identity.ts'
import { dataFolder } from '../data-folder.ts'
import type { Operation } from '../operation.ts'

export interface IdentityResult {
  /** SHA-256 of the certificate, 64 hexadecimal digits. */
  readonly fingerprint: string
  /** The same in groups. */
  readonly display: string
}

const input = v.strictObject({ data: v.optional(v.string()) })

export const identity: Operation<typeof input, IdentityResult> = {
  name: 'identity',
  summary: "Prints this installation's fingerprint, made when there is none.",
  input,
  async run({ data }) {
    const { fingerprint } = await loadOrCreateIdentity(dataFolder(data))
    return { fingerprint, display: formatFingerprint(fingerprint) }
  },
}
