import { ratio, summarize, type Random } from '../../harness/index.ts'
import type { Latencies, MeasuredCase, Metric, Summary } from '../../result/index.ts'
import {
  distributionOf,
  type CompletedRequest,
  type RequestTiming,
  type ServingSummary,
} from '../../serving/index.ts'
import type { Candidate } from './candidates.ts'
import type { ServeRun } from './serve-run.ts'

/** What tells the runs of a cell from those of another. */
export type ServeParameters = Readonly<Record<string, string | number>>

const isCompleted = (timing: RequestTiming): timing is CompletedRequest =>
  timing.status === 'completed'

/** Seconds of all rounds' requests, as percentiles in milliseconds; p99 only of 1,000 requests. */
function pooled(values: readonly number[], requests: number): Latencies {
  const { count, p50, p90, p99, max } = distributionOf(values, requests)
  const ms = (seconds: number | null) => (seconds === null ? null : 1000 * seconds)
  return { n: count, p50: ms(p50), p90: ms(p90), p99: ms(p99), max: ms(max) }
}

/** What a candidate's rounds came to: rates by round, latencies of all requests together. */
export function servedCase(
  candidate: Candidate,
  parameters: ServeParameters,
  runs: readonly ServeRun[],
  random: Random,
): MeasuredCase {
  const timings = runs.flatMap((run) => run.timings)
  const completed = timings.filter(isCompleted)
  const latency = (values: (timing: CompletedRequest) => readonly number[]) =>
    pooled(completed.flatMap(values), completed.length)
  const byRound = (value: (summary: ServingSummary) => number | null) =>
    runs.map(({ summary }) => value(summary) ?? NaN)
  const rate = (value: (summary: ServingSummary) => number | null): Summary =>
    summarize(byRound(value), random)
  const sum = (value: (run: ServeRun) => number) =>
    runs.reduce((total, run) => total + value(run), 0)
  const most = (value: (run: ServeRun) => number) => Math.max(...runs.map(value))
  const sent = timings.flatMap(({ sentSeconds, scheduledSeconds }) =>
    sentSeconds === null ? [] : [sentSeconds - scheduledSeconds],
  )
  const arrivals = runs.flatMap(({ sentPerSecond }) =>
    sentPerSecond === null || parameters['arrivals'] === 'offline' ? [] : [sentPerSecond],
  )
  const hasLimits = runs.some(({ summary }) => summary.serviceLevel !== null)
  const metrics: Record<string, Metric> = {
    makespanSeconds: rate((summary) => summary.makespanSeconds),
    requestsPerSecond: rate((summary) => summary.requestsPerSecond),
    outputTokensPerSecond: rate((summary) => summary.outputTokensPerSecond),
    totalTokensPerSecond: rate((summary) => summary.totalTokensPerSecond),
    ttftMs: latency(({ ttftSeconds }) => [ttftSeconds]),
    tpotMs: latency(({ tpotSeconds }) => (tpotSeconds === null ? [] : [tpotSeconds])),
    itlMs: latency(({ itlSeconds }) => itlSeconds),
    e2eMs: latency(({ e2eSeconds }) => [e2eSeconds]),
    clientLatenessMs: pooled(sent, sent.length),
    ...(arrivals.length > 0 && { achievedArrivalsPerSecond: summarize(arrivals, random) }),
    ...(hasLimits && {
      goodputRequestsPerSecond: rate((summary) => summary.goodputPerSecond),
      goodShare: sum(({ summary }) => summary.goodRequests ?? 0) / timings.length,
    }),
    requestsCount: timings.length,
    failedCount: timings.length - completed.length,
    peakConcurrencyCount: most(({ summary }) => summary.peakConcurrency),
    preemptionsCount: sum((run) => run.preemptions),
    recomputedTokens: sum((run) => run.recomputedTokens),
    stepsOutOfMemoryCount: sum((run) => run.stepsOutOfMemory),
    passesCount: sum((run) => run.passes),
    peakMappedBytes: most((run) => run.peakMappedBytes),
    peakHeldBytes: most((run) => run.peakTotalBytes),
    promptTokens: sum((run) => run.promptTokens),
    cachedTokens: sum((run) => run.cachedTokens),
    prefixHitShare: sum((run) => run.cachedTokens) / sum((run) => run.promptTokens),
  }
  return {
    name: `${nameOf(parameters)}: ${candidate.name}`,
    parameters: {
      ...parameters,
      backend: 'cpu',
      cache: candidate.cache.name,
      prefixSharing: candidate.prefixSharing,
    },
    metrics,
    samples: {
      makespanSeconds: byRound((summary) => summary.makespanSeconds),
      outputTokensPerSecond: byRound((summary) => summary.outputTokensPerSecond),
      ttftMs: completed.map((one) => 1000 * one.ttftSeconds),
      tpotMs: completed.map(({ tpotSeconds }) =>
        tpotSeconds === null ? null : 1000 * tpotSeconds,
      ),
      e2eMs: completed.map((one) => 1000 * one.e2eSeconds),
      clientLatenessMs: sent.map((seconds) => 1000 * seconds),
    },
  }
}

/**
 * How two candidates compare, round by round: offline by makespan, online by the round's median
 * latencies, and `speedRatio` is that of E2E. Undefined without a round in which both served all.
 *
 * @param of By round; undefined where there is no run.
 * @param over Of the same rounds.
 */
export function comparedCase(
  { of, over }: { readonly of: Candidate; readonly over: Candidate },
  parameters: ServeParameters,
  runs: { readonly of: readonly ServeRun[]; readonly over: readonly ServeRun[] },
  random: Random,
): MeasuredCase | undefined {
  const compare = (value: (summary: ServingSummary) => number | null): Summary => {
    const values = (all: readonly ServeRun[]) =>
      all.map(({ summary }) => (summary.failed > 0 ? NaN : (value(summary) ?? NaN)))
    return ratio(values(runs.over), values(runs.of), random)
  }
  const metrics: Record<string, Metric> =
    parameters['arrivals'] === 'offline'
      ? { speedRatio: compare((summary) => summary.makespanSeconds) }
      : {
          speedRatio: compare((summary) => summary.e2eSeconds.p50),
          ttftSpeedRatio: compare((summary) => summary.ttftSeconds.p50),
          tpotSpeedRatio: compare((summary) => summary.tpotSeconds.p50),
        }
  if ((metrics['speedRatio'] as Summary).n === 0) return undefined
  return {
    name: `${nameOf(parameters)}: ${of.name} / ${over.name}`,
    parameters: { ...parameters, of: of.name, over: over.name },
    metrics,
  }
}

/** A cell's parameters in words. */
export const nameOf = (parameters: ServeParameters): string =>
  Object.entries(parameters)
    .map(([key, value]) => (typeof value === 'number' ? `${key} ${value}` : value))
    .join(', ')
