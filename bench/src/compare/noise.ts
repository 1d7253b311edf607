import type { Metric } from '../result/index.ts'

/** A metric as one number, and how much it moves within a run. */
export interface Judged {
  /** Median; p50 of percentiles. null: there is none. */
  readonly value: number | null
  /** Relative to the value: half of p10 to p90, else of the 95 % interval; null: not known. */
  readonly spread: number | null
}

/** Of fewer samples p90 is one of them, and tells nothing of what the next run would give. */
const leastForPercentiles = 10

const share = (half: number, value: number) => (value === 0 ? null : Math.abs(half / value))

/** The number that a metric is judged by. Tails of latencies are shown, and too rare to judge. */
export function judgedValue(metric: Metric): Judged {
  if (metric === null || typeof metric === 'number') return { value: metric, spread: null }
  if (!('median' in metric)) {
    const { n, p50, p90 } = metric
    const known = n >= leastForPercentiles && typeof p50 === 'number' && typeof p90 === 'number'
    return { value: p50, spread: known ? share(p90 - p50, p50) : null }
  }
  const { n, median, p10, p90, low, high } = metric
  if (median === null || n === 1) return { value: median, spread: null }
  const ends = typeof p10 === 'number' && typeof p90 === 'number' ? [p10, p90] : [low, high]
  const [from, to] = ends
  const known = typeof from === 'number' && typeof to === 'number'
  return { value: median, spread: known ? share((to - from) / 2, median) : null }
}
