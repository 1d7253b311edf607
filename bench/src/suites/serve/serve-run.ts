import type { Clock } from '../../harness/index.ts'
import { requestTimings, servingSummary, type ServiceLevel } from '../../serving/index.ts'
import type { RequestTiming, ServingSummary } from '../../serving/index.ts'
import { rateOf } from '../../traces/index.ts'
import type { Candidate } from './candidates.ts'
import { playRequests, type Pause, type PlayedRequest } from './play-requests.ts'
import type { Served, ServedModel, ServedOptions } from './served-model.ts'
import { takeMemory } from './take-memory.ts'

/** What one run of all requests came to. */
export interface ServeRun {
  readonly timings: readonly RequestTiming[]
  readonly summary: ServingSummary
  /** Requests per second, by the times at which they were sent; null when all were sent at once. */
  readonly sentPerSecond: number | null
  readonly preemptions: number
  /** Tokens that preemption had computed again. */
  readonly recomputedTokens: number
  /** Prompt tokens of requests, and those of them that were found in the cache. */
  readonly promptTokens: number
  readonly cachedTokens: number
  readonly stepsOutOfMemory: number
  readonly passes: number
  /** Most at the end of any pass's planning: mapped for live sequences, and held altogether. */
  readonly peakMappedBytes: number
  readonly peakTotalBytes: number
}

/** What a run is made of. */
export interface ServeRunParts {
  readonly model: ServedModel
  readonly candidate: Candidate
  readonly options: Omit<ServedOptions, 'onEvent'>
  /** Served before, and not counted: other prompts than those of the run. */
  readonly warmUp: readonly PlayedRequest[]
  readonly requests: readonly PlayedRequest[]
  readonly serviceLevel: ServiceLevel | null
  readonly clock: Clock
  readonly pause: Pause
  readonly signal: AbortSignal
}

/**
 * Serves requests with an engine and a cache of their own, which nothing was in before but the
 * warm-up's prompts.
 *
 * @throws the signal's reason when it is aborted
 */
export async function serveRun(parts: ServeRunParts): Promise<ServeRun> {
  const { model, candidate, options, serviceLevel } = parts
  const peak = { mapped: 0, total: 0 }
  const held: { served?: Served } = {}
  const served = await model.open(candidate, {
    ...options,
    onEvent: (event) => {
      if (event.kind !== 'pass' || !held.served) return
      const { mappedBytes, totalBytes } = held.served.cache.stats()
      peak.mapped = Math.max(peak.mapped, mappedBytes)
      peak.total = Math.max(peak.total, totalBytes)
    },
  })
  try {
    const { engine } = served
    const tokensOf = ({ tokens, outputTokens }: PlayedRequest) => tokens.length + outputTokens
    takeMemory(served.cache, parts.requests.map(tokensOf))
    const play = (requests: readonly PlayedRequest[]) =>
      playRequests({ ...parts, engine, requests })
    await play(parts.warmUp)
    await engine.idle()
    const before = engine.metrics()
    held.served = served
    const events = await play(parts.requests)
    await engine.idle()
    const after = engine.metrics()
    const timings = requestTimings(events)
    const sent = timings.flatMap(({ sentSeconds }) => (sentSeconds === null ? [] : [sentSeconds]))
    type Counter = 'preemptions' | 'recomputedTokens' | 'promptTokens' | 'cachedTokens' | 'passes'
    const since = (key: Counter) => after[key] - before[key]
    return {
      timings,
      summary: servingSummary(timings, serviceLevel ?? undefined),
      sentPerSecond: rateOf(sent),
      preemptions: since('preemptions'),
      recomputedTokens: since('recomputedTokens'),
      promptTokens: since('promptTokens'),
      cachedTokens: since('cachedTokens'),
      stepsOutOfMemory: after.outOfMemory - before.outOfMemory,
      passes: since('passes'),
      peakMappedBytes: peak.mapped,
      peakTotalBytes: peak.total,
    }
  } finally {
    await served[Symbol.asyncDispose]()
  }
}
