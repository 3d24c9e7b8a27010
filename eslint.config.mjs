import svelte from 'eslint-plugin-svelte'
import tseslint from 'typescript-eslint'
import { importTable } from './.eslint/import-rule.ts'

const adyton = { rules: { 'import-table': importTable } }

/** One for all files: the type checker starts anew whenever it changes. */
const types = { projectService: true, extraFileExtensions: ['.svelte'], tsconfigRootDir: import.meta.dirname }

/** Globals of a window: core runs without one. */
const domGlobals = ['window', 'document', 'localStorage', 'sessionStorage', 'navigator', 'alert', 'XMLHttpRequest']

export default tseslint.config(
  { ignores: ['node_modules/', 'build/', 'dist/', 'coverage/', '.adyton/', 'resources/'] },
  {
    linterOptions: { reportUnusedDisableDirectives: 'error' },
    plugins: { adyton },
    rules: {
      'adyton/import-table': 'error',
      eqeqeq: ['error', 'always'],
      'no-var': 'error',
      'prefer-const': 'error',
      'no-eval': 'error',
      'no-new-func': 'error',
      // stdout belongs to the commands in core/cli (see below); a word on stderr is free to all.
      'no-console': ['error', { allow: ['error', 'warn'] }],
      'no-debugger': 'error',
      'no-self-compare': 'error',
      'no-unreachable-loop': 'error',
      'no-constant-binary-expression': 'error',
      'no-unsafe-finally': 'error',
      'no-template-curly-in-string': 'error',
      'no-duplicate-imports': 'off',
      'no-fallthrough': 'error',
      'no-sparse-arrays': 'error',
      'no-loss-of-precision': 'error',
      'use-isnan': 'error',
    },
  },
  {
    files: ['**/*.ts'],
    extends: [tseslint.configs.recommendedTypeChecked],
    languageOptions: { parserOptions: types },
    rules: {
      '@typescript-eslint/no-explicit-any': 'error',
      '@typescript-eslint/no-floating-promises': 'error',
      '@typescript-eslint/no-misused-promises': 'error',
      '@typescript-eslint/return-await': ['error', 'error-handling-correctness-only'],
      '@typescript-eslint/consistent-type-imports': ['error', { fixStyle: 'inline-type-imports' }],
      '@typescript-eslint/consistent-type-exports': 'error',
      '@typescript-eslint/switch-exhaustiveness-check': ['error', { considerDefaultExhaustiveForUnions: true }],
      // A caught `unknown` may be thrown on; nothing else that is not an Error.
      '@typescript-eslint/only-throw-error': ['error', { allowThrowingUnknown: true }],
      // It takes an `unknown` that was compared with undefined for something that is no Error.
      '@typescript-eslint/prefer-promise-reject-errors': 'off',
      '@typescript-eslint/prefer-readonly': 'error',
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_' }],
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true, allowBoolean: true }],
      // Interfaces are asynchronous where one implementation is not.
      '@typescript-eslint/require-await': 'off',
    },
  },
  {
    files: ['core/**'],
    rules: {
      'no-restricted-properties': [
        'error',
        { object: 'Math', property: 'random', message: 'Use node:crypto, or a seeded generator for training.' },
      ],
      'no-restricted-globals': ['error', ...domGlobals.map((name) => ({ name, message: 'core runs without a DOM.' }))],
    },
  },
  ...svelte.configs['flat/recommended'],
  {
    files: ['**/*.svelte.ts'],
    languageOptions: { parserOptions: { parser: tseslint.parser, ...types } },
  },
  {
    // Without types: they would cost as much as for all other files, and svelte-check has them.
    files: ['**/*.svelte'],
    languageOptions: { parserOptions: { parser: tseslint.parser } },
  },
  {
    files: ['**/*.svelte', '**/*.svelte.ts'],
    rules: {
      // Addresses behind '#' need no resolving.
      'svelte/no-navigation-without-resolve': 'off',
      // Listeners and requests under way are no state of the page.
      'svelte/prefer-svelte-reactivity': 'off',
      // Props are declared with let where one of them is bindable.
      'prefer-const': 'off',
      'svelte/prefer-const': ['error', { destructuring: 'all' }],
    },
  },
  {
    // Programs and tests that talk to a terminal. Other code returns what it has to say.
    files: ['core/cli/**', 'test/**'],
    rules: { 'no-console': 'off' },
  },
  {
    files: ['test/**/*.ts'],
    rules: {
      // expect(object.method) reads methods without calling them; stubs of interfaces ignore their arguments.
      '@typescript-eslint/unbound-method': 'off',
    },
  },
)
