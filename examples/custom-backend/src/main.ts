/** The kit in a bare script, as on a machine without a test runner. */
import { backendCases, backendContext, runCases } from '@vattention/conformance'
import { ContiguousKvCache } from '@vattention/core'

import { NaiveBackend } from './naive-backend.ts'

async function main(): Promise<boolean> {
  using backend = new NaiveBackend()
  const context = backendContext({
    backend,
    create: () => new NaiveBackend(),
    caches: { contiguous: (options) => new ContiguousKvCache(options) },
  })
  const { passed, failed, skipped } = await runCases(
    backendCases(backend.capabilities),
    context,
    (result) => {
      const reasons = result.status === 'skipped' ? result.reasons.join('; ') : ''
      const error = result.status === 'failed' ? String(result.error) : ''
      const why = reasons || error
      process.stdout.write(`${result.status.padEnd(8)}${result.name}${why && `: ${why}`}\n`)
    },
  )
  process.stdout.write(`${passed} passed, ${failed} failed, ${skipped} skipped\n`)
  return failed === 0
}

void main().then((passed) => {
  process.exitCode = passed ? 0 : 1
})
