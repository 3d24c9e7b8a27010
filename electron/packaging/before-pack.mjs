/** Stages the app again where the builder packs for another processor than the last time. */
import { processorsOf } from './packages.ts'
import { sourceDate } from './source-date.ts'
import { stagePackage } from './stage.ts'

/** The builder's numbers of processors. */
const ARCHES = ['ia32', 'x64', 'armv7l', 'arm64']

/** @param {{ arch: number, electronPlatformName: NodeJS.Platform, packager: { projectDir: string } }} context */
export default async function beforePack({ arch, electronPlatformName, packager }) {
  const target = { platform: electronPlatformName, arch: /** @type {NodeJS.Architecture} */ (ARCHES[arch]) }
  if (target.platform === process.platform && processorsOf(target).includes(process.arch)) return
  await stagePackage(packager.projectDir, target, sourceDate(packager.projectDir))
}
