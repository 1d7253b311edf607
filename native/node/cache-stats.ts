import type { CacheStats } from '@vattention/interface'

/** `vattn_cache_stats` after `size`, in the order of its fields. */
const names = [
  'liveSequences',
  'reservedBytes',
  'limitBytes',
  'totalBytes',
  'mappedBytes',
  'neededBytes',
  'aheadBytes',
  'surplusBytes',
  'retainedBytes',
  'parkedBytes',
  'condemnedBytes',
  'freeBytes',
  'usedBytes',
  'sharedBytes',
  'liveMappings',
  'mappingBudget',
  'steps',
  'stepsOutOfMemory',
  'stepsMappedSync',
  'driverCalls',
  'pagesCreated',
  'pagesReleased',
  'pagesMapped',
  'pagesUnmapped',
  'adoptions',
  'evictions',
  'aliasedTokens',
  'copiedTokens',
  'copiedBytes',
  'zeroedBytes',
] as const satisfies readonly (keyof CacheStats)[]

/** Buckets of the latency histogram. */
const buckets = 40

/** Numbers that the addon writes. */
export const statsNumbers = names.length + buckets

/** What only the TypeScript side counts. */
export interface PrefixCounts {
  readonly queries: number
  readonly queryTokens: number
  readonly hitTokens: number
  readonly evictions: number
}

/** The cache's statistics from the addon's numbers and the prefix index's counters. */
export function toCacheStats(numbers: Float64Array, prefixes: PrefixCounts): CacheStats {
  const native = Object.fromEntries(names.map((name, i) => [name, numbers[i]!])) as Record<
    (typeof names)[number],
    number
  >
  return {
    ...native,
    evictions: native.evictions + prefixes.evictions,
    wasteBytes: native.neededBytes - native.usedBytes,
    prefixQueries: prefixes.queries,
    prefixQueryTokens: prefixes.queryTokens,
    prefixHitTokens: prefixes.hitTokens,
    stepNsHistogram: Array.from(numbers.subarray(names.length, names.length + buckets)),
  }
}
