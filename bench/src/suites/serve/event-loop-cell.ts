import { setMaxListeners } from 'node:events'
import { availableParallelism } from 'node:os'

import { atMost } from '../../harness/index.ts'
import type { Cell } from '../../suite/index.ts'
import { chatRequests, type ChatLoad, type ChatRequest } from './chat-requests.ts'
import type { StartDelayMonitor } from './event-loop-delay.ts'
import type { ServeShared } from './serve-cell.ts'
import type { Served } from './served-model.ts'

/** What is served while the event loop is watched. */
interface EventLoopLoad extends ChatLoad {
  /** Of each request; the end of a sequence is ignored. */
  readonly outputTokens: number
}

const loads: Readonly<Record<'full' | 'quick', EventLoopLoad>> = {
  full: { requests: 32, systemWords: 230, questionWords: 400, outputTokens: 128 },
  quick: { requests: 8, systemWords: 60, questionWords: 60, outputTokens: 16 },
}

/** Delay that 99 of 100 of a timer's ticks may have at most, with the requests of a full run. */
const requiredP99Ms = 10

/** Tokens of the longest chat request and its answer: words have more than one. */
const maxLength = 2048

/**
 * Streams requests that come at once to clients in the engine's process, and watches how late its
 * event loop is meanwhile: what an HTTP server in the same process would feel.
 */
export function eventLoopCell(shared: ServeShared, startMonitor: StartDelayMonitor): Cell {
  const { settings } = shared.context
  const load = loads[settings.quick ? 'quick' : 'full']
  const name = `event loop, ${load.requests} requests at once`
  return { name, measure: () => measure(shared, startMonitor, load, name) }
}

async function measure(
  { context, options, model, candidates }: ServeShared,
  startMonitor: StartDelayMonitor,
  load: EventLoopLoad,
  name: string,
): Promise<void> {
  const { recorder, clock, signal, settings } = context
  const candidate = candidates[0]!
  const { requests, outputTokens } = load
  try {
    await using served = await model.open(candidate, {
      limitBytes: options.limitBytes,
      maxSequences: requests,
      maxLength: Math.min(maxLength, model.contextLength),
    })
    const asked = chatRequests(model, load, settings.seed)
    // Every request listens to it: the caller's signal would warn of a leak.
    const own = AbortSignal.any([signal])
    setMaxListeners(0, own)
    const began = clock.now()
    const monitor = startMonitor()
    let eventLoopDelayMs
    try {
      await Promise.all(asked.map((one) => streamed(served, one, outputTokens, own)))
    } finally {
      eventLoopDelayMs = monitor.end()
    }
    const seconds = (clock.now() - began) / 1000
    const { planMs, forwardMs } = served.engine.metrics()
    recorder.add({
      name,
      parameters: {
        ...{ part: 'event loop', requests, outputTokens },
        ...{ cache: candidate.cache.name, prefixSharing: candidate.prefixSharing },
        threads: options.threads ?? availableParallelism(),
      },
      metrics: {
        eventLoopDelayMs,
        planP50Ms: planMs.p50,
        planP99Ms: planMs.p99,
        forwardP50Ms: forwardMs.p50,
        forwardP99Ms: forwardMs.p99,
        outputTokensPerSecond: (requests * outputTokens) / seconds,
      },
    })
    if (settings.quick) return
    const bar = `event-loop delay, ${requests} requests: p99`
    recorder.bar(atMost(bar, eventLoopDelayMs.p99, requiredP99Ms, { unit: 'ms' }))
  } catch (error) {
    if (!signal.aborted) recorder.skip(name, error)
  }
}

/** Takes an answer piece by piece, as a server that streams it. */
async function streamed(
  { engine }: Served,
  asked: ChatRequest,
  maxTokens: number,
  signal: AbortSignal,
): Promise<void> {
  const generation = engine.generate({ ...asked, maxTokens, ignoreEos: true, signal })
  let tokens = 0
  for await (const part of generation) tokens += part.tokens.length
  if (tokens !== maxTokens) throw new Error(`${tokens} of ${maxTokens} tokens came`)
}
