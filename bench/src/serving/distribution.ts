import { mean, quantileSorted } from 'd3-array'

/** Requests that a 99th percentile needs: below, it is one or a few of them. */
export const requestsForP99 = 1000

/** How a time is distributed; percentiles interpolate linearly. Null where there is nothing to tell. */
export interface Distribution {
  /** Values. */
  readonly count: number
  readonly mean: number | null
  readonly p50: number | null
  readonly p90: number | null
  readonly p95: number | null
  /** Null with too few requests. */
  readonly p99: number | null
  readonly max: number | null
  /** Why `p99` is null; null when it is not. */
  readonly p99Missing: string | null
}

/**
 * Describes values of requests.
 *
 * @param values Any number of them. `[n]`
 * @param requests How many requests they come from: what decides about the 99th percentile. Gaps
 * between tokens are many, but those of one request are not independent.
 */
export function distributionOf(values: readonly number[], requests: number): Distribution {
  const sorted = [...values].sort((a, b) => a - b)
  const at = (p: number) => quantileSorted(sorted, p) ?? null
  const enough = requests >= requestsForP99 && sorted.length > 0
  return {
    count: sorted.length,
    mean: mean(sorted) ?? null,
    p50: at(0.5),
    p90: at(0.9),
    p95: at(0.95),
    p99: enough ? at(0.99) : null,
    max: at(1),
    p99Missing: enough
      ? null
      : `the 99th percentile needs ${requestsForP99} requests, there are ${requests}`,
  }
}
