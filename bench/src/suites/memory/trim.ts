import { ContiguousKvCache } from '@vattention/core'

import type { BenchCache } from './open-cache.ts'

/** Gives back what no live sequence needs, retained prefixes too: the next one finds nothing. */
export async function trimAll(cache: BenchCache): Promise<void> {
  // A pool is taken once, and kept.
  if (cache instanceof ContiguousKvCache) await cache.trimAsync({ prefixes: true })
}
