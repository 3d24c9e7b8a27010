/**
 * tfjs-node 4.22 calls functions of node:util that Node 23 removed or is about to. They are put back, with the meaning they had, on
 * the module object that `require('util')` gives; ES imports of node:util are not touched.
 */
import { createRequire } from 'node:module'

const TESTS: Readonly<Record<string, (value: unknown) => boolean>> = {
  isArray: Array.isArray,
  isBoolean: (value) => typeof value === 'boolean',
  isFunction: (value) => typeof value === 'function',
  isNull: (value) => value === null,
  isNullOrUndefined: (value) => value === null || value === undefined,
  isNumber: (value) => typeof value === 'number',
  isObject: (value) => value !== null && typeof value === 'object',
  isString: (value) => typeof value === 'string',
  isUndefined: (value) => value === undefined,
}

/** Some are still there in Node 24, but print a warning when they are called: they are replaced too. */
export function restoreUtil(): void {
  const util = createRequire(import.meta.url)('node:util') as Record<string, unknown>
  for (const [name, test] of Object.entries(TESTS)) util[name] = test
}
