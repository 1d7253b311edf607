import type { ServiceLevel } from './service-level.ts'
import type { ServingSummary } from './serving-summary.ts'

/** A run at one rate of a sweep. */
export interface RateSummary {
  /** Requests per second that came, as measured. */
  readonly achievedRate: number
  readonly summary: ServingSummary
}

/** The highest rate that a sweep found to be served within limits. */
export interface Capacity {
  /** Requests per second; null when no rate was. */
  readonly requestsPerSecond: number | null
  /** The first rate beyond it that was not; null when the sweep did not reach so far. */
  readonly exceededAt: number | null
}

/**
 * The highest rate of a sweep at which the 99th percentiles hold, and those of all lower rates: a
 * higher one that holds by chance does not count.
 *
 * @param runs In any order.
 * @returns null where a 99th percentile is missing: too few requests say nothing of it.
 */
export function capacityOf(runs: readonly RateSummary[], level: ServiceLevel): Capacity | null {
  const ascending = [...runs].sort((a, b) => a.achievedRate - b.achievedRate)
  let requestsPerSecond: number | null = null
  for (const { achievedRate, summary } of ascending) {
    const held = holds(summary, level)
    if (held === null) return null
    if (!held) return { requestsPerSecond, exceededAt: achievedRate }
    requestsPerSecond = achievedRate
  }
  return { requestsPerSecond, exceededAt: null }
}

/** Whether a run's 99th percentiles hold; a failed request never does. Null: they are missing. */
function holds(summary: ServingSummary, level: ServiceLevel): boolean | null {
  if (summary.failed > 0) return false
  const limits = [
    [summary.ttftSeconds.p99, level.ttftSeconds],
    [summary.tpotSeconds.p99, level.tpotSeconds],
    [summary.e2eSeconds.p99, level.e2eSeconds],
  ] as const
  const given = limits.filter(([, limit]) => limit !== undefined)
  if (given.some(([value]) => value === null)) return null
  return given.every(([value, limit]) => value! <= limit!)
}
