/** Operations on bundles (.adyton): models of the catalog as single files. */
import * as v from 'valibot'
import { SignerNameSchema } from '../../zoo/bundle/manifest.ts'
import {
  importBundle,
  inspectBundle,
  ON_MISMATCH,
  type BundleDeleted,
  type BundleImported,
  type BundleInspection,
} from '../../zoo/bundle/read.ts'
import { forgetSigner, listSigners, type KnownSigner } from '../../zoo/bundle/trust.ts'
import { exportBundle, type BundleExported } from '../../zoo/bundle/write.ts'
import { STAGES } from '../../zoo/models.ts'
import { withZoo } from '../../zoo/zoo.ts'
import { dataFolder } from '../data-folder.ts'
import type { Operation } from '../operation.ts'
import { dataEntry, idEntry, idText } from './zoo-input.ts'

const path = v.pipe(v.string(), v.minLength(1))

const exportInput = v.strictObject({
  ...dataEntry,
  ...idEntry,
  path,
  sign: v.optional(v.boolean(), false),
  signerName: v.exactOptional(v.pipe(v.string(), v.trim(), SignerNameSchema)),
})

export const zooExportBundle: Operation<typeof exportInput, BundleExported> = {
  name: 'zooExportBundle',
  summary: 'Writes a model of the catalog as one file, with card, recipe, origin and measurements.',
  input: exportInput,
  run: ({ data, id, path, ...options }) => withZoo(dataFolder(data), (zoo) => exportBundle(zoo, id, path, options)),
}

const importInput = v.strictObject({
  ...dataEntry,
  path,
  /** 'ask', 'accept' or a fingerprint; see Trust. */
  trust: v.optional(v.pipe(v.string(), v.minLength(1)), 'ask'),
  onMismatch: v.optional(v.picklist(ON_MISMATCH), 'cancel'),
  versionOf: v.exactOptional(idText),
  stage: v.exactOptional(v.picklist(STAGES)),
})

export const zooImportBundle: Operation<typeof importInput, BundleImported | BundleDeleted> = {
  name: 'zooImportBundle',
  summary: 'Brings a bundle into the catalog after comparing every checksum.',
  input: importInput,
  run: ({ data, path, ...options }, { onNotice }) =>
    withZoo(dataFolder(data), async (zoo) => {
      const result = await importBundle(zoo, path, options)
      if ('notices' in result) result.notices.forEach(onNotice)
      return result
    }),
}

const inspectInput = v.strictObject({ ...dataEntry, path })

export const zooInspect: Operation<typeof inspectInput, BundleInspection> = {
  name: 'zooInspect',
  summary: 'Shows what is in a bundle and whether its checksums are right, without importing it.',
  input: inspectInput,
  run: ({ data, path }) => withZoo(dataFolder(data), (zoo) => inspectBundle(zoo, path)),
}

interface Signers {
  readonly signers: readonly KnownSigner[]
}

const signersInput = v.strictObject(dataEntry)

export const zooSigners: Operation<typeof signersInput, Signers> = {
  name: 'zooSigners',
  summary: 'Lists whose signatures are trusted.',
  input: signersInput,
  run: ({ data }) => withZoo(dataFolder(data), (zoo) => ({ signers: listSigners(zoo) })),
}

const forgetInput = v.strictObject({ ...dataEntry, fingerprint: v.string() })

export const zooForgetSigner: Operation<typeof forgetInput, Signers> = {
  name: 'zooForgetSigner',
  summary: 'Trusts a signer no longer; models that are there stay.',
  input: forgetInput,
  run: ({ data, fingerprint }) =>
    withZoo(dataFolder(data), (zoo) => {
      forgetSigner(zoo, fingerprint)
      return { signers: listSigners(zoo) }
    }),
}
