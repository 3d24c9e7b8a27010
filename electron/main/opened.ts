/** Files that somebody opened with the program: by a double click, on the command line, or through the menu. */
import { existsSync } from 'node:fs'
import { extname, isAbsolute, resolve } from 'node:path'

export const OPENED_EXTENSIONS: ReadonlySet<string> = new Set(['.adyton', '.onnx', '.keras', '.h5'])

/** The files among the arguments of a start of the program in a folder. */
export function filesOf(args: readonly string[], folder: string): string[] {
  return args
    .filter((arg) => !arg.startsWith('-') && OPENED_EXTENSIONS.has(extname(arg).toLowerCase()))
    .map((arg) => (isAbsolute(arg) ? arg : resolve(folder, arg)))
    .filter((file) => existsSync(file))
}
