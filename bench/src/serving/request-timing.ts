/**
 * The times of one request, with names as they are used everywhere here:
 *
 *   scheduled   sent      first chunk     chunks         last chunk
 *   |-lateness--|              |            |  |  |           |
 *   |---------- TTFT ----------|--- ITL ----|                 |
 *   |------------------------- E2E ---------------------------|
 *
 * TPOT = (E2E - TTFT) / (output tokens - 1). Latency starts at the scheduled time: if it started when
 * a late client sends, an overloaded one would hide its queue. Where a timer fired early, it starts
 * when the request was sent.
 */
import { servingErrors } from './errors.ts'
import type { ServingEvent } from './serving-event.ts'

/** A request that was served to its end. */
export interface CompletedRequest {
  readonly status: 'completed'
  readonly request: number
  readonly promptTokens: number
  readonly outputTokens: number
  readonly scheduledSeconds: number
  readonly sentSeconds: number
  readonly endSeconds: number
  /** Sent - scheduled; below 0 by what a timer was early. */
  readonly latenessSeconds: number
  /** Time to first token: first chunk - scheduled. */
  readonly ttftSeconds: number
  /** Time per output token; null with a single output token. */
  readonly tpotSeconds: number | null
  /** Inter-token latencies: gaps between chunks. `[chunks - 1]` */
  readonly itlSeconds: readonly number[]
  /** Last chunk - scheduled. */
  readonly e2eSeconds: number
}

/** A request that was not served, or not to its end. */
export interface FailedRequest {
  readonly status: 'failed'
  readonly request: number
  readonly promptTokens: number
  /** Tokens that came before it failed. */
  readonly outputTokens: number
  readonly scheduledSeconds: number
  /** Null when it failed before it was sent. */
  readonly sentSeconds: number | null
  readonly endSeconds: number
  readonly reason: string
}

/** What became of a request. */
export type RequestTiming = CompletedRequest | FailedRequest

/**
 * The times of each request of a log, in the order in which they were scheduled. A request whose log
 * just ends counts as failed: one that never came back must not improve the figures.
 *
 * @param events In the order in which they were written; requests may alternate.
 * @throws `ERR_VATTENTION_SERVING_LOG` for a log that contradicts itself.
 */
export function requestTimings(events: readonly ServingEvent[]): RequestTiming[] {
  const byRequest = new Map<number, ServingEvent[]>()
  for (const event of events) {
    const own = byRequest.get(event.request)
    if (own === undefined) byRequest.set(event.request, [event])
    else own.push(event)
  }
  return [...byRequest.values()].map(timingOf)
}

function timingOf(events: readonly ServingEvent[]): RequestTiming {
  const { request } = events[0]!
  const wrong = (message: string) => servingErrors.log(request, message)
  const [scheduled, ...rest] = events
  if (scheduled?.kind !== 'scheduled') throw wrong('its first event is not that it was scheduled')
  let sent: number | undefined
  let closed: Extract<ServingEvent, { kind: 'end' | 'failure' }> | undefined
  const chunkTimes: number[] = []
  let outputTokens = 0
  // A failure may come before the scheduled time, when the client gives up.
  let last = Number.NEGATIVE_INFINITY
  for (const event of rest) {
    if (closed !== undefined) throw wrong(`${event.kind} comes after ${closed.kind}`)
    if (event.atSeconds < last) throw wrong(`${event.kind} is earlier than the event before it`)
    last = event.atSeconds
    switch (event.kind) {
      case 'scheduled':
        throw wrong('it was scheduled twice')
      case 'sent':
        if (sent !== undefined) throw wrong('it was sent twice')
        sent = event.atSeconds
        break
      case 'firstToken':
      case 'tokens':
        if (sent === undefined) throw wrong(`${event.kind} comes before it was sent`)
        if ((event.kind === 'firstToken') !== (chunkTimes.length === 0)) {
          throw wrong(`${event.kind} is not its chunk number ${chunkTimes.length + 1}`)
        }
        if (!Number.isSafeInteger(event.tokens) || event.tokens < 1) {
          throw wrong(`a chunk has ${event.tokens} tokens`)
        }
        chunkTimes.push(event.atSeconds)
        outputTokens += event.tokens
        break
      case 'end':
      case 'failure':
        closed = event
        break
    }
  }
  const common = {
    request,
    promptTokens: scheduled.promptTokens,
    outputTokens,
    scheduledSeconds: scheduled.atSeconds,
  }
  if (closed?.kind !== 'end') {
    return {
      ...common,
      status: 'failed',
      sentSeconds: sent ?? null,
      endSeconds: events.at(-1)!.atSeconds,
      reason: closed?.reason ?? 'no end: it was still under way when the log ended',
    }
  }
  const [first] = chunkTimes
  if (sent === undefined || first === undefined) throw wrong('it ended without any token')
  const start = Math.min(scheduled.atSeconds, sent)
  const ttftSeconds = first - start
  const e2eSeconds = chunkTimes.at(-1)! - start
  return {
    ...common,
    status: 'completed',
    sentSeconds: sent,
    endSeconds: closed.atSeconds,
    latenessSeconds: sent - scheduled.atSeconds,
    ttftSeconds,
    tpotSeconds: outputTokens > 1 ? (e2eSeconds - ttftSeconds) / (outputTokens - 1) : null,
    itlSeconds: chunkTimes.slice(1).map((time, i) => time - chunkTimes[i]!),
    e2eSeconds,
  }
}
