import { quantileSorted } from 'd3-array'

import { summaryOf, type Latencies, type Summary } from '../result/index.ts'
import type { Random } from './random.ts'

/** Of ascending values, interpolated between neighbours. d3's types know no typed arrays; it does. */
const quantile = (sorted: Float64Array, share: number): number | undefined =>
  quantileSorted(sorted as unknown as number[], share)

/** Samples that are numbers, ascending. */
const ascending = (values: Iterable<number>) =>
  Float64Array.from([...values].filter(Number.isFinite)).sort()

/** The median, interpolated between the two in the middle; NaN of none. */
export const median = (values: Iterable<number>): number => quantile(ascending(values), 0.5) ?? NaN

/**
 * The 95 % bootstrap interval of the median; none of no samples.
 *
 * @param resamples Defaults to `2000`.
 */
export function interval(
  values: readonly number[],
  random: Random,
  resamples = 2000,
): { low: number; high: number } | undefined {
  const sorted = ascending(values)
  const n = sorted.length
  if (n === 0) return undefined
  const drawn = new Uint32Array(n)
  const medians = new Float64Array(resamples)
  for (let r = 0; r < resamples; r++) {
    drawn.fill(0)
    for (let i = 0; i < n; i++) drawn[Math.floor(random.uniform() * n)]!++
    medians[r] = medianOfDrawn(sorted, drawn)
  }
  medians.sort()
  return { low: quantile(medians, 0.025)!, high: quantile(medians, 0.975)! }
}

/** The median of as many values as there are, when each was drawn so often: no sorting needed. */
function medianOfDrawn(sorted: Float64Array, drawn: Uint32Array): number {
  const n = sorted.length
  const [below, above] = [Math.floor((n - 1) / 2), Math.ceil((n - 1) / 2)]
  let passed = 0
  let first: number | undefined
  for (let i = 0; i < n; i++) {
    passed += drawn[i]!
    if (first === undefined && passed > below) first = sorted[i]!
    if (passed > above) return (first! + sorted[i]!) / 2
  }
  return NaN // not reached: as many are drawn as there are
}

/** Median with its 95 % bootstrap interval, spread and number of samples; outliers are kept. */
export const summarize = (values: readonly number[], random: Random): Summary =>
  summaryOf(values, interval(values, random))

/**
 * The median of the ratios within rounds, which a drift of clocks does not touch, with its interval
 * and spread. Rounds that either of the two has no number of do not count.
 *
 * @param above Samples by round.
 * @param below Of the same rounds.
 */
export function ratio(above: readonly number[], below: readonly number[], random: Random): Summary {
  const ratios: number[] = []
  for (let i = 0; i < Math.min(above.length, below.length); i++) {
    const value = above[i]! / below[i]!
    if (Number.isFinite(value)) ratios.push(value)
  }
  return summarize(ratios, random)
}

/** Percentiles of what a serving loop waits for. */
export function latencies(values: Iterable<number>): Latencies {
  const sorted = ascending(values)
  const at = (share: number) => quantile(sorted, share) ?? null
  return {
    n: sorted.length,
    p50: at(0.5),
    p90: at(0.9),
    p99: at(0.99),
    p999: at(0.999),
    max: at(1),
  }
}
