import type { ContiguousCacheOptions } from '@vattention/interface'

import { namedCache, type NamedCache } from '../../suite/index.ts'

/** A cache with a way of getting its memory: what steps are compared over. */
export interface Variant {
  readonly name: string
  readonly cache: NamedCache
  /** Whether a thread maps; null: a pool needs none. */
  readonly mapper: boolean | null
  /** Tokens that are mapped ahead of each sequence. */
  readonly aheadTokens: number
  readonly mapAhead: ContiguousCacheOptions['mapAhead']
}

/** What the cache maps ahead when nothing is said. */
const ownAheadTokens = 256

/**
 * A contiguous cache with the mapper and mapping ahead, with the mapper that maps one token ahead (so
 * it refills the free pages, and the step maps), and without; a paged one as it is.
 */
export function variantsOf(cache: NamedCache): readonly Variant[] {
  if (cache.kind === 'paged') {
    return [{ name: cache.name, cache, mapper: null, aheadTokens: 0, mapAhead: false }]
  }
  return [
    {
      name: `${cache.name}, mapped ahead`,
      cache,
      ...{ mapper: true, aheadTokens: ownAheadTokens, mapAhead: { tokens: ownAheadTokens } },
    },
    {
      name: `${cache.name}, mapper without mapping ahead`,
      cache,
      ...{ mapper: true, aheadTokens: 1, mapAhead: { tokens: 1, idleSlots: 0 } },
    },
    { name: `${cache.name}, no mapper`, cache, mapper: false, aheadTokens: 0, mapAhead: false },
  ]
}

/** What is compared unless something else is asked for. */
export const ownCaches = (isGpu: boolean): readonly NamedCache[] =>
  (isGpu ? ['interleaved', 'paged-16'] : ['split', 'paged-16']).map(namedCache)
