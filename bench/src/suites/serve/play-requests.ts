import { setMaxListeners } from 'node:events'

import type { Engine } from '@vattention/engine'

import type { Clock } from '../../harness/index.ts'
import { ServingLog, type ServingEvent } from '../../serving/index.ts'

/** Waits for so many milliseconds; rejects with the signal's reason. */
export type Pause = (milliseconds: number, signal: AbortSignal) => Promise<void>

/** A request of a run. */
export interface PlayedRequest {
  readonly tokens: Uint32Array
  /** Exactly so many come: the end of a sequence is ignored. */
  readonly outputTokens: number
  /** Seconds after the run's start. */
  readonly sendSeconds: number
}

/** What a run is played with. */
export interface PlayOptions {
  readonly engine: Pick<Engine, 'generate'>
  /** In the order in which they are sent. */
  readonly requests: readonly PlayedRequest[]
  readonly clock: Clock
  readonly pause: Pause
  readonly signal: AbortSignal
}

/**
 * Sends each request at its time, whether or not others have come back (an open loop), greedy, and
 * writes down what happens: seconds after the run's start.
 *
 * A request that fails, or that ends with another number of tokens than it was to have, is a failure
 * in the log.
 *
 * @throws the signal's reason when it is aborted: half a run is none
 */
export async function playRequests(options: PlayOptions): Promise<readonly ServingEvent[]> {
  const { requests, clock, pause, signal } = options
  const start = clock.now()
  const seconds = () => (clock.now() - start) / 1000
  const log = new ServingLog(seconds)
  for (const [i, { tokens, sendSeconds }] of requests.entries()) {
    log.scheduled(i, { promptTokens: tokens.length, atSeconds: sendSeconds })
  }
  // Every request listens to it: the caller's signal would warn of a leak.
  const own = new AbortController()
  setMaxListeners(0, own.signal)
  const abort = () => own.abort(signal.reason)
  signal.addEventListener('abort', abort)
  const underWay: Promise<void>[] = []
  try {
    for (const [i, request] of requests.entries()) {
      const wait = 1000 * (request.sendSeconds - seconds())
      if (wait > 0) await pause(wait, signal)
      signal.throwIfAborted()
      log.sent(i)
      underWay.push(playOne(i, request, { ...options, signal: own.signal }, log))
    }
  } finally {
    await Promise.all(underWay)
    signal.removeEventListener('abort', abort)
  }
  signal.throwIfAborted()
  return log.events
}

async function playOne(
  index: number,
  { tokens, outputTokens }: PlayedRequest,
  { engine, signal }: PlayOptions,
  log: ServingLog,
): Promise<void> {
  let received = 0
  try {
    const generation = engine.generate({
      tokens,
      maxTokens: outputTokens,
      ignoreEos: true,
      temperature: 0,
      signal,
    })
    for await (const part of generation) {
      if (part.tokens.length === 0) continue
      received += part.tokens.length
      log.tokens(index, part.tokens.length)
    }
    if (received === outputTokens) log.end(index)
    else log.failure(index, `it has ${received} of ${outputTokens} tokens`)
  } catch (error) {
    log.failure(index, error instanceof Error ? error.message : String(error))
  }
}
