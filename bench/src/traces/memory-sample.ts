import { deviation, max, mean } from 'd3-array'
import type { CacheStats } from '@vattention/interface'

/** The memory of a cache at one time of a simulation. */
export interface MemorySample {
  /** Of the simulated clock. */
  readonly seconds: number
  readonly liveSequences: number
  /** Address space (contiguous), or the pool (paged): what the cache takes before any request. */
  readonly reservedBytes: number
  /** Physical memory held. */
  readonly totalBytes: number
  /** Of live sequences: what was mapped for them, ahead and in surplus, too. */
  readonly mappedBytes: number
  /** Of mapped: pages or blocks that hold tokens. */
  readonly neededBytes: number
  /** Backed tokens of live sequences x bytes per token; what they share counts once. */
  readonly usedBytes: number
  /** Mapped for more than one live sequence, counted once. */
  readonly sharedBytes: number
  /** Kept for later prompts that begin alike. */
  readonly retainedBytes: number
  /** What static reservation would hold for the same sequences. */
  readonly staticBytes: number
}

/** Means and peaks over the samples of a simulation, while any sequence was live. */
export interface MemorySummary {
  readonly samples: number
  readonly meanLive: number
  readonly peakLive: number
  readonly peakMappedBytes: number
  readonly peakUsedBytes: number
  readonly peakStaticBytes: number
  /** Used / mapped, mean over samples: 1 is no waste. Null without samples. */
  readonly mappedUse: number | null
  /** Used / needed, mean over samples: what page or block size alone costs. */
  readonly neededUse: number | null
  /** Used / static reservation, mean over samples. */
  readonly staticUse: number | null
  /** Standard deviation of `mappedUse` over samples; null below two. */
  readonly mappedUseDeviation: number | null
}

/** The parts of a cache's statistics that a sample keeps. */
export function memorySample(
  seconds: number,
  stats: CacheStats,
  staticBytesPerSequence: number,
): MemorySample {
  return {
    seconds,
    liveSequences: stats.liveSequences,
    reservedBytes: stats.reservedBytes,
    totalBytes: stats.totalBytes,
    mappedBytes: stats.mappedBytes,
    neededBytes: stats.neededBytes,
    usedBytes: stats.usedBytes,
    sharedBytes: stats.sharedBytes,
    retainedBytes: stats.retainedBytes,
    staticBytes: stats.liveSequences * staticBytesPerSequence,
  }
}

/** Summarises samples; those without a live sequence say nothing of waste and are left out. */
export function memorySummary(samples: readonly MemorySample[]): MemorySummary {
  const live = samples.filter(({ liveSequences }) => liveSequences > 0)
  const share = (of: (sample: MemorySample) => number) =>
    live.map((sample) => sample.usedBytes / of(sample))
  const mappedUse = share(({ mappedBytes }) => mappedBytes)
  return {
    samples: live.length,
    meanLive: mean(live, ({ liveSequences }) => liveSequences) ?? 0,
    peakLive: max(live, ({ liveSequences }) => liveSequences) ?? 0,
    peakMappedBytes: max(live, ({ mappedBytes }) => mappedBytes) ?? 0,
    peakUsedBytes: max(live, ({ usedBytes }) => usedBytes) ?? 0,
    peakStaticBytes: max(live, ({ staticBytes }) => staticBytes) ?? 0,
    mappedUse: mean(mappedUse) ?? null,
    neededUse: mean(share(({ neededBytes }) => neededBytes)) ?? null,
    staticUse: mean(share(({ staticBytes }) => staticBytes)) ?? null,
    mappedUseDeviation: deviation(mappedUse) ?? null,
  }
}
