/** Counts of durations in buckets whose bounds grow by a quarter of a power of two. */

// From 10 us to about 17 minutes; the last bucket has no upper bound.
const bounds: readonly number[] = Array.from({ length: 107 }, (_, i) => 0.01 * 2 ** (i / 4))

/** A histogram as it is now, in milliseconds. */
export interface HistogramSnapshot {
  readonly count: number
  readonly sum: number
  readonly max: number
  /** Estimates, at most 19 % above the true value; 0 without samples. */
  readonly p50: number
  readonly p90: number
  readonly p99: number
  /** Samples at most `le` and above the bound before it; empty buckets are left out. */
  readonly buckets: readonly { readonly le: number; readonly count: number }[]
}

/** Durations in milliseconds. */
export class Histogram {
  readonly #counts = new Float64Array(bounds.length + 1)
  #count = 0
  #sum = 0
  #max = 0

  add(ms: number): void {
    const bucket = ms <= bounds[0]! ? 0 : Math.ceil(Math.log2(ms / bounds[0]!) * 4)
    this.#counts[Math.min(bucket, bounds.length)]!++
    this.#count++
    this.#sum += ms
    this.#max = Math.max(this.#max, ms)
  }

  /** An upper estimate of the value that a share `q` of the samples does not exceed. */
  quantile(q: number): number {
    let left = q * this.#count
    for (const [i, count] of this.#counts.entries()) {
      left -= count
      if (count > 0 && left <= 0) return Math.min(bounds[i] ?? Infinity, this.#max)
    }
    return this.#max
  }

  snapshot(): HistogramSnapshot {
    return {
      count: this.#count,
      sum: this.#sum,
      max: this.#max,
      p50: this.quantile(0.5),
      p90: this.quantile(0.9),
      p99: this.quantile(0.99),
      buckets: [...this.#counts].flatMap((count, i) =>
        count > 0 ? [{ le: bounds[i] ?? Infinity, count }] : [],
      ),
    }
  }
}
