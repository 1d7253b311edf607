/** One token through a new runner. */
import type { KvCache } from '@vattention/interface'

import { engineErrors } from '../errors.ts'
import type { ForwardRunner } from './runner.ts'
import { Sampler } from './sampling-options.ts'

/** Proves that runner and cache work together, before anyone relies on it. */
export async function runOneToken(runner: ForwardRunner, cache: KvCache): Promise<void> {
  const allocation = cache.allocate()
  if (!allocation) throw engineErrors.noSlot(cache.shape.maxSequences)
  const sequences = Uint32Array.of(allocation.sequence)
  const one = Uint32Array.of(1)
  try {
    const step = await cache.stepAsync(sequences, one)
    if (step.status !== 'ok') {
      throw engineErrors.requestTooLarge(1, step.neededBytes, cache.stats().limitBytes)
    }
    await runner.forward({
      sequences,
      queryLengths: one,
      kvLengths: one,
      tokens: Int32Array.of(0),
      logitRows: Uint32Array.of(0),
      sampling: [new Sampler({ seed: 0 }).row(Uint32Array.of(0), 1)],
    })
  } finally {
    cache.free(allocation.sequence)
  }
}
