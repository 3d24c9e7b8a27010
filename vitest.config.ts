import { defineConfig } from 'vitest/config'
import { keepCompiled } from './core/cli/compile-cache.ts'

// For the workers, and for what they start.
keepCompiled()

export default defineConfig({
  test: {
    environment: 'node',
    include: ['test/**/*.test.ts'],
    testTimeout: 60_000,
    hookTimeout: 60_000,
    // What is waited for comes late on a busy machine.
    expect: { poll: { timeout: 30_000 } },
    // Processes, not threads: native addons and WASM modules are not all safe to load into several threads.
    pool: 'forks',
    // The tests talk to themselves over sockets: more workers than cores only makes them wait for one another.
    maxWorkers: 2,
  },
})
