import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'

import { describe, expect, it } from 'vitest'

interface Report {
  readonly mappings: number
  readonly descriptors: number
  readonly residentBytes: number
}

/** Runs `test/support/cycles.mjs` in a process of its own, which nothing else maps memory in. */
function cycles(kind: string): { before: Report; after: Report; grewBytes: number } {
  const file = fileURLToPath(new URL('support/cycles.mjs', import.meta.url))
  const { status, stdout, stderr } = spawnSync(process.execPath, ['--expose-gc', file, kind], {
    encoding: 'utf8',
  })
  expect(stderr).toBe('')
  expect(status).toBe(0)
  return JSON.parse(stdout) as ReturnType<typeof cycles>
}

describe('200 cycles of create, use, dispose', () => {
  it.each(['disposed', 'failing', 'collected'])('%s: everything comes back', (kind) => {
    const { before, after, grewBytes } = cycles(kind)
    expect(after.mappings).toBe(before.mappings)
    expect(after.descriptors).toBe(before.descriptors)
    expect(grewBytes).toBeLessThan(8 * 2 ** 20)
  })
})
