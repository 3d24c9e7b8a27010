/** ESLint rule `adyton/import-table`: imports follow the table in import-table.mjs. */
import { builtinModules } from 'node:module'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { ENTRY_POINTS, FORBIDDEN, IMPORT_TABLE } from './import-table.mjs'

const ROOT = fileURLToPath(new URL('..', import.meta.url))

/** Top-level folders whose files must all be in the table. */
const GOVERNED = ['core', 'electron', 'renderer']

/** The folder of the table that holds `file` (relative, with slashes), or undefined. */
export function folderOf(file, table = IMPORT_TABLE) {
  const parts = file.split('/').slice(0, -1)
  for (let length = parts.length; length > 0; length--) {
    const folder = parts.slice(0, length).join('/')
    if (folder in table) return folder
  }
  return undefined
}

const isBuiltin = (name) => name.startsWith('node:') || builtinModules.includes(name)

/** Whether `name` (an import specifier) is `pattern` or a path inside it; `node:*` stands for every built-in. */
function isPackage(name, pattern) {
  if (pattern === 'node:*') return isBuiltin(name)
  return name === pattern || name.startsWith(`${pattern}/`)
}

/**
 * Why `file` may not import `specifier`, or undefined when it may.
 * @param {string} file relative to the repository, with forward slashes
 * @param {string} specifier as written
 * @param {boolean} typeOnly the import vanishes when types are stripped
 */
export function whyForbidden(file, specifier, typeOnly) {
  const top = file.split('/')[0]
  if (!GOVERNED.includes(top)) return undefined
  const from = folderOf(file)
  if (!from) return `${file} is in no folder of the import table (.eslint/import-table.mjs)`
  const row = IMPORT_TABLE[from]
  if (!/^[./]/.test(specifier)) {
    const rule = row.forbid.map((name) => FORBIDDEN[name]).find((set) => set.packages.some((one) => isPackage(specifier, one)))
    return rule && `${from} must not import '${specifier}': ${rule.why}`
  }
  if (specifier.startsWith('/')) return `'${specifier}' is an absolute path`
  const target = path.posix.normalize(path.posix.join(path.posix.dirname(file), specifier))
  if (!GOVERNED.includes(target.split('/')[0])) {
    return target.startsWith('../') ? `'${specifier}' is outside the repository` : undefined
  }
  const to = folderOf(target)
  if (!to) return `${target} is in no folder of the import table (.eslint/import-table.mjs)`
  if (to === from || row.values.includes(to) || ENTRY_POINTS[file]?.includes(to)) return undefined
  if (row.types?.includes(to)) {
    return typeOnly ? undefined : `${from} may only \`import type\` from ${to}`
  }
  return `${from} must not import ${to} (see .eslint/import-table.mjs)`
}

/** @type {import('eslint').Rule.RuleModule} */
export const importTable = {
  meta: {
    type: 'problem',
    docs: { description: 'imports follow the architecture: .eslint/import-table.mjs' },
    schema: [],
    messages: {
      forbidden: '{{why}}',
      computed: 'the import table cannot see where a computed import leads; name the module',
    },
  },
  create(context) {
    const file = path.relative(ROOT, context.filename).split(path.sep).join('/')
    const check = (node, source, typeOnly) => {
      if (typeof source?.value !== 'string') return
      const why = whyForbidden(file, source.value, typeOnly)
      if (why) context.report({ node, messageId: 'forbidden', data: { why } })
    }
    return {
      ImportDeclaration(node) {
        // `verbatimModuleSyntax` keeps `import {} from` and `import { type A } from` as imports for their effect.
        check(node, node.source, node.importKind === 'type')
      },
      ExportNamedDeclaration(node) {
        if (node.source) check(node, node.source, node.exportKind === 'type')
      },
      ExportAllDeclaration(node) {
        check(node, node.source, node.exportKind === 'type')
      },
      ImportExpression(node) {
        if (node.source.type === 'Literal') check(node, node.source, false)
        else if (GOVERNED.includes(file.split('/')[0]) && folderOf(file) !== 'core/setup') {
          context.report({ node, messageId: 'computed' })
        }
      },
      TSImportType(node) {
        check(node, node.source ?? node.argument?.literal, true)
      },
      TSExternalModuleReference(node) {
        check(node, node.expression, false)
      },
      CallExpression(node) {
        if (node.callee.type === 'Identifier' && node.callee.name === 'require') check(node, node.arguments[0], false)
      },
      NewExpression(node) {
        // new Worker(new URL('./worker.ts', import.meta.url)) runs a module as much as an import does.
        const [source, base] = node.arguments
        const isModule = typeof source?.value === 'string' && /\.(ts|mts|js|mjs|svelte)$/.test(source.value)
        if (node.callee.name === 'URL' && isModule && base?.type === 'MemberExpression') check(node, source, false)
      },
    }
  },
}
