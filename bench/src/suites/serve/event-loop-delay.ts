import { monitorEventLoopDelay } from 'node:perf_hooks'

import type { Latencies } from '../../result/index.ts'

/** Watches how late the event loop is, until it is ended. */
export interface DelayMonitor {
  /** Ends it. @returns delays since it began, in milliseconds */
  end(): Latencies
}

/** Begins to watch. A tests' one waits for nothing. */
export type StartDelayMonitor = () => DelayMonitor

/** Of the timer that is late, in milliseconds. */
const resolutionMs = 1

/** What Node's monitor has counted, in nanoseconds. */
export interface DelayHistogram {
  readonly count: number
  readonly max: number
  percentile(percentile: number): number
}

/** The monitor is a timer: it reports its interval and the delay together. */
export function delaysOf(histogram: DelayHistogram, intervalMs = resolutionMs): Latencies {
  const delay = (nanoseconds: number) => Math.max(0, nanoseconds / 1e6 - intervalMs)
  const at = (percentile: number) => delay(histogram.percentile(percentile))
  return {
    n: histogram.count,
    ...{ p50: at(50), p90: at(90), p99: at(99), p999: at(99.9) },
    max: delay(histogram.max),
  }
}

/** Watches the event loop of this process. */
export const startDelayMonitor: StartDelayMonitor = () => {
  const histogram = monitorEventLoopDelay({ resolution: resolutionMs })
  histogram.enable()
  return {
    end() {
      histogram.disable()
      return delaysOf(histogram)
    },
  }
}
