import { ContiguousKvCache } from '@vattention/core'
import type { KvCache, KvCacheShape } from '@vattention/interface'
import { PagedKvCache } from '@vattention/paged-attention'

import { defaultLimitBytes, type SessionFlags } from './session-options.ts'

/** Flags that say which cache. */
export type CacheFlags = Pick<
  SessionFlags,
  'cache' | 'layout' | 'limit' | 'pageBytes' | 'blockTokens' | 'maxSequences'
>

/** Makes the cache that the flags name. */
export function openCache(flags: CacheFlags, shape: KvCacheShape): KvCache {
  const limitBytes = flags.limit ?? defaultLimitBytes()
  if (flags.cache === 'paged') {
    const { blockTokens } = flags
    return new PagedKvCache({ ...shape, limitBytes, ...(blockTokens ? { blockTokens } : {}) })
  }
  const { layout, pageBytes } = flags
  return new ContiguousKvCache({
    ...shape,
    limitBytes,
    ...(layout ? { layout } : {}),
    ...(pageBytes ? { pageBytes } : {}),
  })
}
