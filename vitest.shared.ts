import { defineConfig } from 'vitest/config'

/** The one test configuration: every package's `vitest.config.ts` re-exports it. */
export default defineConfig({
  // Siblings are tested from their sources, so no build of theirs has to run first.
  ssr: { resolve: { conditions: ['@vattention/source', 'module', 'node'] } },
  test: {
    include: ['test/**/*.test.{ts,mjs}'],
    // Not the vm pools: there an addon's TypeError belongs to another realm than the test's.
    pool: 'forks',
    reporters: ['default', 'json'],
    outputFile: { json: 'reports/vitest.json' },
    // Nothing may depend on time, and a busy machine must not fail a test; a hang still ends.
    testTimeout: 300_000,
    hookTimeout: 300_000,
    maxWorkers: 1,
  },
})
