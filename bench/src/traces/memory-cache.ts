import type { KvCache } from '@vattention/interface'

/** What a cache's memory is measured by: any `KvCache`, or one that only counts. */
export type MemoryCache = Pick<
  KvCache,
  'shape' | 'allocate' | 'step' | 'publish' | 'free' | 'stats'
>
