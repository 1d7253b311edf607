import { deviation, max, mean } from 'd3-array'

/** How requests come. */
export interface ArrivalStatistics {
  /** From the first to the last. */
  readonly durationSeconds: number
  /** Requests / duration; null when all come at once. */
  readonly requestsPerSecond: number | null
  /**
   * Coefficient of variation of the gaps: 1 for arrivals by chance (Poisson), more for bursts; null
   * with fewer than two gaps, or when all come at once.
   */
  readonly gapVariation: number | null
  readonly longestGapSeconds: number
  /** Most requests in one second, seconds counted from the first request. */
  readonly peakPerSecond: number
}

/**
 * Statistics of arrivals.
 *
 * @param seconds Ascending, at least one. `[n]`
 */
export function arrivalStatistics(seconds: readonly number[]): ArrivalStatistics {
  const first = seconds[0] ?? 0
  const durationSeconds = (seconds.at(-1) ?? first) - first
  const gaps = gapsOf(seconds)
  const perSecond = new Map<number, number>()
  for (const time of seconds) {
    const second = Math.floor(time - first)
    perSecond.set(second, (perSecond.get(second) ?? 0) + 1)
  }
  const some = durationSeconds > 0
  const spread = deviation(gaps)
  return {
    durationSeconds,
    requestsPerSecond: some ? seconds.length / durationSeconds : null,
    gapVariation: some && spread !== undefined ? spread / (mean(gaps) ?? Number.NaN) : null,
    longestGapSeconds: max(gaps) ?? 0,
    peakPerSecond: max(perSecond.values()) ?? 0,
  }
}

/** Seconds between neighbouring requests. `[n - 1]` */
export function gapsOf(seconds: readonly number[]): number[] {
  return seconds.slice(1).map((time, i) => time - seconds[i]!)
}
