import { mean, quantileSorted } from 'd3-array'

/** How long prompts or outputs are, in tens; percentiles interpolate linearly. */
export interface LengthStatistics {
  readonly count: number
  readonly mean: number
  readonly min: number
  readonly p50: number
  readonly p90: number
  readonly p99: number
  readonly max: number
}

/**
 * Statistics of lengths.
 *
 * @param lengths At least one. `[n]`
 */
export function lengthStatistics(lengths: Iterable<number>): LengthStatistics {
  const sorted = [...lengths].sort((a, b) => a - b)
  const at = (p: number) => quantileSorted(sorted, p) ?? Number.NaN
  return {
    count: sorted.length,
    mean: mean(sorted) ?? Number.NaN,
    min: at(0),
    p50: at(0.5),
    p90: at(0.9),
    p99: at(0.99),
    max: at(1),
  }
}
