/**
 * Exact bytes per page state and counters since creation. The states `mapped`, `retained`,
 * `parked`, `condemned` and `free` sum to `totalBytes`, always. A paged cache reports blocks the
 * same way: referenced blocks are mapped, cached ones without a reference retained.
 */
export interface CacheStats {
  readonly liveSequences: number
  /** Address space (contiguous), or the pool (paged). */
  readonly reservedBytes: number
  /** The limit in force: the least of option, cgroup and device. */
  readonly limitBytes: number
  /** Physical memory held. */
  readonly totalBytes: number
  /** Pages of live sequences. */
  readonly mappedBytes: number
  /** Of mapped: pages that hold backed tokens. */
  readonly neededBytes: number
  /** Of mapped: mapped ahead for tokens to come, and tail rows. */
  readonly aheadBytes: number
  /** Of mapped: adopted, more than needed and ahead. */
  readonly surplusBytes: number
  /** Only the prefix index holds them. */
  readonly retainedBytes: number
  /** Mapped in a slot with no live sequence. */
  readonly parkedBytes: number
  /** Waiting for fences. */
  readonly condemnedBytes: number
  /** Created and unused. */
  readonly freeBytes: number
  /** Backed tokens of live sequences x bytes per token; what sequences share counts once. */
  readonly usedBytes: number
  /** Mapped bytes that more than one live sequence maps, counted once. */
  readonly sharedBytes: number
  /** `neededBytes - usedBytes`: what granularity costs. */
  readonly wasteBytes: number
  /** Mappings charged to the budget. */
  readonly liveMappings: number
  readonly mappingBudget: number
  readonly steps: number
  readonly stepsOutOfMemory: number
  /** Steps that had to make a driver call themselves. */
  readonly stepsMappedSync: number
  readonly driverCalls: number
  readonly pagesCreated: number
  readonly pagesReleased: number
  readonly pagesMapped: number
  readonly pagesUnmapped: number
  /** Parked slots taken over by a new sequence. */
  readonly adoptions: number
  /** Parked slots or cached blocks given up for others. */
  readonly evictions: number
  /** Prefix lookups, and how many tokens they asked for and shared. */
  readonly prefixQueries: number
  readonly prefixQueryTokens: number
  readonly prefixHitTokens: number
  /** Shared tokens, by mapping the same page (or block), and by copying a boundary. */
  readonly aliasedTokens: number
  readonly copiedTokens: number
  readonly copiedBytes: number
  readonly zeroedBytes: number
  /** Latency of `step`: bucket i counts steps of [2^i, 2^(i+1)) nanoseconds. 40 buckets. */
  readonly stepNsHistogram: readonly number[]
}
