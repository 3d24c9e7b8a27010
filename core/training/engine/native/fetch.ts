/** What setting up the native backend fetches, whichever way it comes. */
import type { NpmPackage } from './sources.ts'

export interface EngineFetch {
  /** Fetches and checks a package of the npm registry; gives the folder of its files, within `scratch`. */
  readonly npm: (wanted: NpmPackage, scratch: string) => Promise<string>
  /** Fetches and checks TensorFlow's wheel; gives a folder within `scratch` with `tensorflow` of it. */
  readonly wheel: (scratch: string) => Promise<string>
}

/** Of the wheel: the libraries, and the headers that c_api.h includes. */
export const WHEEL_ENTRIES =
  /^tensorflow\/(libtensorflow_[^/]*|include\/(tensorflow\/c|tensorflow\/core\/platform|tsl|xla\/tsl\/c)\/.*|THIRD_PARTY[^/]*)$/
