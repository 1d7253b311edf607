import { Type, type Static } from 'typebox'

import { closed, Count, Text } from '../schema/parts.ts'
import { envelopeOf, environmentKeys, latenciesOf, SampledLatencies } from './environment.ts'
import { judged, legacyForm } from './form.ts'

const EventLoop = closed({
  ...environmentKeys,
  model: Text,
  requests: Count,
  maxTokens: Count,
  threads: Count,
  seconds: Type.Number(),
  outputTokens: Count,
  characters: Count,
  delayMs: SampledLatencies,
  barMs: Type.Number(),
  planMs: closed({ p50: Type.Number(), p99: Type.Number(), max: Type.Number() }),
  forwardMs: closed({ p50: Type.Number(), p99: Type.Number() }),
})
type EventLoop = Static<typeof EventLoop>

/** bench/engine-event-loop.mjs: how long the event loop waits while the engine serves. */
export const eventLoop = legacyForm<EventLoop>(
  'engine-event-loop',
  'delayMs',
  EventLoop,
  (found) => {
    const { requests, maxTokens, threads, seconds, outputTokens, delayMs, barMs } = found
    return {
      ...envelopeOf('engine-event-loop', found, {
        kind: 'serving',
        what: 'Delay of the event loop while the engine serves requests.',
        command: 'node bench/engine-event-loop.mjs',
        protocol: { load: 'closed loop: all requests at once' },
        workload: { requests, maxTokens, threads },
        bars: [
          judged('atMost', `event-loop delay, ${requests} requests: p99`, delayMs.p99, barMs, 'ms'),
        ],
        cases: [
          {
            name: `${requests} requests of ${maxTokens} tokens`,
            parameters: { requests, maxTokens, threads },
            metrics: {
              eventLoopDelayMs: latenciesOf(delayMs),
              planP50Ms: found.planMs.p50,
              planP99Ms: found.planMs.p99,
              forwardP50Ms: found.forwardMs.p50,
              forwardP99Ms: found.forwardMs.p99,
              outputTokensPerSecond: outputTokens / seconds,
            },
          },
        ],
      }),
      seconds,
    }
  },
)
