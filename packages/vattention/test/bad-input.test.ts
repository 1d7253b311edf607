import type { CacheStats } from '@vattention/interface'
import { VattentionError } from '@vattention/interface'
import { expect, test } from 'vitest'

import { badInputs, makeSubject } from './docs/bad-inputs.ts'

/** What a refused call must not change: memory, mappings, sequences. */
function state(stats: CacheStats) {
  const { totalBytes, mappedBytes, usedBytes, liveMappings, liveSequences, limitBytes } = stats
  return { totalBytes, mappedBytes, usedBytes, liveMappings, liveSequences, limitBytes }
}

for (const kind of ['contiguous', 'paged'] as const) {
  test.each(badInputs)(`${kind}: $call refuses $input`, ({ code, run }) => {
    using subject = makeSubject(kind)
    const { cache, sequence } = subject
    const before = state(cache.stats())
    let error: unknown
    try {
      run(subject)
    } catch (thrown) {
      error = thrown
    }
    expect(error).toBeInstanceOf(VattentionError)
    expect((error as VattentionError).code).toBe(code)
    expect(state(cache.stats())).toEqual(before)
    expect(cache.step(Uint32Array.of(sequence), Uint32Array.of(20)).status).toBe('ok')
  })
}
