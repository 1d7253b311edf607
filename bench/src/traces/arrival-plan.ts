/**
 * When a client sends requests. In an *open loop* arrivals ignore completions: for latency. In a
 * *closed loop* a fixed number of requests is always under way: for throughput. They are never mixed.
 */
import { randomGamma } from 'd3-random'

import { assertRate, rateOf } from './arrival-rate.ts'
import { traceErrors } from './errors.ts'
import { randomOf } from '../harness/random.ts'
import { arrivalsOf } from './scale-trace.ts'
import type { Trace } from './trace.ts'

/** How requests come. */
export type ArrivalProcess =
  /** As in the trace; scale the trace for another rate. */
  | { readonly kind: 'replayed' }
  /** All at once. */
  | { readonly kind: 'offline' }
  /** By chance: exponential gaps. */
  | { readonly kind: 'poisson'; readonly requestsPerSecond: number; readonly seed?: number }
  /** Gamma-distributed gaps of shape `burstiness`: 1 is Poisson, less comes in bursts. */
  | {
      readonly kind: 'gamma'
      readonly requestsPerSecond: number
      readonly burstiness: number
      readonly seed?: number
    }
  /** A request follows as soon as one ends, `concurrency` of them under way. */
  | { readonly kind: 'closed'; readonly concurrency: number }

/** When requests are to be sent. */
export type ArrivalPlan =
  | {
      readonly loop: 'open'
      readonly process: ArrivalProcess
      /** Scheduled times, in seconds after the run's start, ascending. `[requests]` */
      readonly sendSeconds: readonly number[]
      /** Requests per second; null when all come at once, or fewer than two come. */
      readonly requestsPerSecond: number | null
    }
  | {
      readonly loop: 'closed'
      readonly process: ArrivalProcess
      readonly requests: number
      readonly concurrency: number
    }

/** Where a logarithm's last bit may differ between platforms, a millionth of a second does not. */
const tick = 1e6

/**
 * Plans the arrivals of a trace's requests.
 *
 * Random gaps are scaled by one factor to have exactly the requested mean, since a short run by chance
 * has a rate of its own (50 requests: 14 % off, typically), which would be compared with others.
 *
 * @throws `ERR_VATTENTION_TRACE_SCALE` for a trace without arrivals that is to be replayed and for
 * figures out of range, `ERR_VATTENTION_ARRIVAL_RATE` for a plan that misses the rate.
 */
export function planArrivals(trace: Trace, process: ArrivalProcess): ArrivalPlan {
  const requests = trace.requests.length
  switch (process.kind) {
    case 'closed': {
      const { concurrency } = process
      if (!Number.isSafeInteger(concurrency) || concurrency < 1) {
        throw traceErrors.scale(
          `A closed loop has a concurrency of at least 1, not ${concurrency}.`,
        )
      }
      return { loop: 'closed', process, requests, concurrency }
    }
    case 'offline':
      return open(process, new Array<number>(requests).fill(0))
    case 'replayed': {
      const sendSeconds = arrivalsOf(trace.requests)
      if (sendSeconds.length === requests) return open(process, sendSeconds)
      throw traceErrors.scale('This trace has no arrivals to replay: plan Poisson arrivals.')
    }
    case 'poisson':
      return drawnPlan(process, requests, process.requestsPerSecond, 1, process.seed)
    case 'gamma': {
      const { requestsPerSecond, burstiness, seed } = process
      return drawnPlan(process, requests, requestsPerSecond, burstiness, seed)
    }
  }
}

function open(process: ArrivalProcess, sendSeconds: readonly number[]): ArrivalPlan {
  return { loop: 'open', process, sendSeconds, requestsPerSecond: rateOf(sendSeconds) }
}

function drawnPlan(
  process: ArrivalProcess,
  requests: number,
  rate: number,
  burstiness: number,
  seed = 0,
): ArrivalPlan {
  for (const [name, value] of Object.entries({ requestsPerSecond: rate, burstiness })) {
    if (Number.isFinite(value) && value > 0) continue
    throw traceErrors.scale(`Expected a number above 0 for ${name}, received ${value}.`)
  }
  const random = randomOf(seed)
  const draw = randomGamma.source(() => random.uniform())(burstiness)
  const gaps = Array.from({ length: Math.max(0, requests - 1) }, () => draw())
  const factor = gaps.length / rate / gaps.reduce((sum, value) => sum + value, 0)
  let time = 0
  const times = [0, ...gaps.map((value) => (time += value * factor))].slice(0, requests)
  const sendSeconds = times.map((value) => Math.round(value * tick) / tick)
  if (sendSeconds.length > 1) assertRate('The plan of arrivals', sendSeconds, rate)
  return open(process, sendSeconds)
}
