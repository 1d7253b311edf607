import { distributionOf, type Distribution } from './distribution.ts'
import type { CompletedRequest, FailedRequest, RequestTiming } from './request-timing.ts'
import { meets, type ServiceLevel } from './service-level.ts'

/** Figures of a run of requests. Times are seconds; rates are per second of the makespan. */
export interface ServingSummary {
  readonly requests: number
  readonly completed: number
  readonly failed: number
  /** How often each reason for a failure came. */
  readonly failures: Readonly<Record<string, number>>
  /** First chunk - scheduled. */
  readonly ttftSeconds: Distribution
  /** (E2E - TTFT) / (output tokens - 1); requests with one output token are left out. */
  readonly tpotSeconds: Distribution
  /** Gaps between chunks, pooled over requests. */
  readonly itlSeconds: Distribution
  /** Last chunk - scheduled. */
  readonly e2eSeconds: Distribution
  /** How late the client sent, of all requests that were sent: overload of the client, not the server. */
  readonly latenessSeconds: Distribution
  /** Last completion - first scheduled time; null when nothing completed. */
  readonly makespanSeconds: number | null
  readonly requestsPerSecond: number | null
  readonly outputTokensPerSecond: number | null
  /** Prompt and output tokens of completed requests. */
  readonly totalTokensPerSecond: number | null
  /** Most requests between sent and end at one time. */
  readonly peakConcurrency: number
  /** Completed requests that met all limits; null without limits. */
  readonly goodRequests: number | null
  /** `goodRequests` per second; null without limits. */
  readonly goodputPerSecond: number | null
  /** The limits that `goodput` was taken for. */
  readonly serviceLevel: ServiceLevel | null
}

/**
 * Summarises what became of requests. Leave warm-up requests out before.
 *
 * @param timings In any order. `[requests]`
 * @param serviceLevel Limits for goodput. Defaults to none.
 */
export function servingSummary(
  timings: readonly RequestTiming[],
  serviceLevel?: ServiceLevel,
): ServingSummary {
  const completed = timings.filter((timing) => timing.status === 'completed')
  const failed = timings.filter((timing) => timing.status === 'failed')
  const describe = (values: (timing: CompletedRequest) => readonly number[]) =>
    distributionOf(completed.flatMap(values), completed.length)
  const makespanSeconds = makespanOf(timings, completed)
  const perSecond = (amount: number) =>
    makespanSeconds === null || makespanSeconds === 0 ? null : amount / makespanSeconds
  const sum = (value: (timing: CompletedRequest) => number) =>
    completed.reduce((total, timing) => total + value(timing), 0)
  const good = serviceLevel && completed.filter((timing) => meets(timing, serviceLevel)).length
  const lateness = sentTimings(timings).map(({ sent, timing }) => sent - timing.scheduledSeconds)
  return {
    requests: timings.length,
    completed: completed.length,
    failed: failed.length,
    failures: countReasons(failed),
    ttftSeconds: describe((timing) => [timing.ttftSeconds]),
    tpotSeconds: describe(({ tpotSeconds }) => (tpotSeconds === null ? [] : [tpotSeconds])),
    itlSeconds: describe((timing) => timing.itlSeconds),
    e2eSeconds: describe((timing) => [timing.e2eSeconds]),
    latenessSeconds: distributionOf(lateness, lateness.length),
    makespanSeconds,
    requestsPerSecond: perSecond(completed.length),
    outputTokensPerSecond: perSecond(sum(({ outputTokens }) => outputTokens)),
    totalTokensPerSecond: perSecond(
      sum(({ promptTokens, outputTokens }) => promptTokens + outputTokens),
    ),
    peakConcurrency: peakConcurrency(timings),
    goodRequests: good ?? null,
    goodputPerSecond: good === undefined ? null : perSecond(good),
    serviceLevel: serviceLevel ?? null,
  }
}

/** From the first time that anything was to be sent to the last completion. */
function makespanOf(
  timings: readonly RequestTiming[],
  completed: readonly CompletedRequest[],
): number | null {
  if (completed.length === 0) return null
  const first = timings.reduce((least, t) => Math.min(least, t.scheduledSeconds), Infinity)
  const last = completed.reduce((most, t) => Math.max(most, t.endSeconds), -Infinity)
  return last - first
}

/** Most requests under way at one time; where one ends as another is sent, they were not together. */
function peakConcurrency(timings: readonly RequestTiming[]): number {
  const changes = sentTimings(timings)
    .flatMap(({ sent, timing }) => [
      { at: sent, change: 1 },
      { at: timing.endSeconds, change: -1 },
    ])
    .sort((a, b) => a.at - b.at || a.change - b.change)
  let current = 0
  let peak = 0
  for (const { change } of changes) {
    current += change
    peak = Math.max(peak, current)
  }
  return peak
}

function sentTimings(timings: readonly RequestTiming[]) {
  return timings.flatMap((timing) =>
    timing.sentSeconds === null ? [] : [{ sent: timing.sentSeconds, timing }],
  )
}

function countReasons(failed: readonly FailedRequest[]): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const { reason } of failed) counts[reason] = (counts[reason] ?? 0) + 1
  return counts
}
