/** ESLint rule `adyton/import-table`: imports follow the table in import-table.ts. */
import { builtinModules } from 'node:module'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Rule } from 'eslint'
import type { CallExpression, ImportExpression, NewExpression } from 'estree'
import { ENTRY_POINTS, FORBIDDEN, IMPORT_TABLE } from './import-table.ts'

const ROOT = fileURLToPath(new URL('..', import.meta.url))

/** Top-level folders whose files must all be in the table. */
const GOVERNED = ['core', 'electron', 'renderer']

/** The folder of the table that holds `file` (relative, with slashes), or undefined. */
export function folderOf(file: string): string | undefined {
  const parts = file.split('/').slice(0, -1)
  for (let length = parts.length; length > 0; length--) {
    const folder = parts.slice(0, length).join('/')
    if (folder in IMPORT_TABLE) return folder
  }
  return undefined
}

const isBuiltin = (name: string) => name.startsWith('node:') || builtinModules.includes(name)

/** Whether `name` (an import specifier) is `pattern` or a path inside it; `node:*` stands for every built-in. */
function isPackage(name: string, pattern: string): boolean {
  if (pattern === 'node:*') return isBuiltin(name)
  return name === pattern || name.startsWith(`${pattern}/`)
}

/**
 * Why `file` may not import `specifier`, or undefined when it may.
 * @param file relative to the repository, with forward slashes
 * @param specifier as written
 * @param typeOnly the import vanishes when types are stripped
 */
export function whyForbidden(file: string, specifier: string, typeOnly: boolean): string | undefined {
  const top = file.split('/')[0]
  if (!GOVERNED.includes(top)) return undefined
  const from = folderOf(file)
  if (!from) return `${file} is in no folder of the import table (.eslint/import-table.ts)`
  const row = IMPORT_TABLE[from]
  if (!/^[./]/.test(specifier)) {
    const rule = row.forbid
      .map((name) => FORBIDDEN[name])
      .find((set) => set.packages.some((one) => isPackage(specifier, one)))
    return rule && `${from} must not import '${specifier}': ${rule.why}`
  }
  if (specifier.startsWith('/')) return `'${specifier}' is an absolute path`
  const target = path.posix.normalize(path.posix.join(path.posix.dirname(file), specifier))
  if (!GOVERNED.includes(target.split('/')[0])) {
    return target.startsWith('../') ? `'${specifier}' is outside the repository` : undefined
  }
  const to = folderOf(target)
  if (!to) return `${target} is in no folder of the import table (.eslint/import-table.ts)`
  if (to === from || row.values.includes(to) || ENTRY_POINTS[file]?.includes(to)) return undefined
  if (row.types?.includes(to)) {
    return typeOnly ? undefined : `${from} may only \`import type\` from ${to}`
  }
  return `${from} must not import ${to} (see .eslint/import-table.ts)`
}

export const importTable: Rule.RuleModule = {
  meta: {
    type: 'problem',
    docs: { description: 'imports follow the architecture: .eslint/import-table.ts' },
    schema: [],
    messages: {
      forbidden: '{{why}}',
      computed: 'the import table cannot see where a computed import leads; name the module',
    },
  },
  create(context) {
    const file = path.relative(ROOT, context.filename).split(path.sep).join('/')
    const check = (node: Rule.Node, source: unknown, typeOnly: boolean) => {
      const specifier = literal(source)
      const why = specifier === undefined ? undefined : whyForbidden(file, specifier, typeOnly)
      if (why !== undefined) context.report({ node, messageId: 'forbidden', data: { why } })
    }
    return {
      // `verbatimModuleSyntax` keeps `import {} from` and `import { type A } from` as imports for their effect, so
      // only a declaration that is `import type` as a whole counts as type-only.
      ImportDeclaration: (node: Declaration) => check(node, node.source, node.importKind === 'type'),
      ExportNamedDeclaration: (node: Declaration) => check(node, node.source, node.exportKind === 'type'),
      ExportAllDeclaration: (node: Declaration) => check(node, node.source, node.exportKind === 'type'),
      TSImportType: (node: Declaration) => check(node, node.source ?? node.argument?.literal, true),
      TSExternalModuleReference: (node: Declaration) => check(node, node.expression, false),
      ImportExpression(node: ImportExpression & Rule.NodeParentExtension) {
        if (literal(node.source) !== undefined) check(node, node.source, false)
        else if (GOVERNED.includes(file.split('/')[0]) && folderOf(file) !== 'core/setup') {
          context.report({ node, messageId: 'computed' })
        }
      },
      CallExpression(node: CallExpression & Rule.NodeParentExtension) {
        if (node.callee.type === 'Identifier' && node.callee.name === 'require') check(node, node.arguments[0], false)
      },
      NewExpression(node: NewExpression & Rule.NodeParentExtension) {
        // new Worker(new URL('./worker.ts', import.meta.url)) runs a module as much as an import does.
        const [source, base] = node.arguments
        const isUrl = node.callee.type === 'Identifier' && node.callee.name === 'URL'
        const isModule = /\.(ts|mts|js|mjs|svelte)$/.test(literal(source) ?? '')
        if (isUrl && isModule && base?.type === 'MemberExpression') check(node, source, false)
      },
    }
  },
}

/** What the handlers read of a declaration; the parser adds the TypeScript kinds to ESTree's. */
type Declaration = Rule.Node & {
  readonly source?: unknown
  readonly importKind?: 'type' | 'value'
  readonly exportKind?: 'type' | 'value'
  readonly expression?: unknown
  readonly argument?: { readonly literal?: unknown }
}

/** The value of a string literal node. */
function literal(node: unknown): string | undefined {
  const value = (node as { value?: unknown } | null | undefined)?.value
  return typeof value === 'string' ? value : undefined
}
