// Orders, medians and intervals. Everything random comes from one seed, so that a result can be had
// again from its samples.

/** A small generator of numbers in [0, 1). */
export function mulberry32(state) {
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
}

/** The values in an order of their own. */
export function shuffled(values, random) {
  const out = [...values]
  for (let i = out.length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1))
    ;[out[i], out[j]] = [out[j], out[i]]
  }
  return out
}

const ascending = (values) => Float64Array.from(values).sort()

/** Of sorted values, interpolated linearly between neighbours. */
export function quantileOf(sorted, share) {
  if (sorted.length === 0) return NaN
  const at = share * (sorted.length - 1)
  const below = Math.floor(at)
  const above = Math.min(below + 1, sorted.length - 1)
  return sorted[below] + (at - below) * (sorted[above] - sorted[below])
}

export const quantile = (values, share) => quantileOf(ascending(values), share)
export const median = (values) => quantile(values, 0.5)

/** The 95 % bootstrap interval of the median. */
export function interval(values, random, resamples = 2000) {
  const n = values.length
  if (n === 0) return { low: NaN, high: NaN }
  const drawn = new Float64Array(n)
  const medians = new Float64Array(resamples)
  for (let r = 0; r < resamples; r++) {
    for (let i = 0; i < n; i++) drawn[i] = values[Math.floor(random() * n)]
    medians[r] = quantileOf(drawn.sort(), 0.5)
  }
  medians.sort()
  return { low: quantileOf(medians, 0.025), high: quantileOf(medians, 0.975) }
}

/** Median with its interval, spread and number of samples. */
export function summarize(values, random) {
  const sorted = ascending(values)
  return {
    n: sorted.length,
    median: quantileOf(sorted, 0.5),
    ...interval(values, random),
    p10: quantileOf(sorted, 0.1),
    p90: quantileOf(sorted, 0.9),
    min: sorted[0] ?? NaN,
    max: sorted.at(-1) ?? NaN,
  }
}

/**
 * The median of the ratios within rounds, which a drift of clocks does not touch, with its interval.
 * Rounds in which one of the two was not measured do not count.
 */
export function ratio(above, below, random) {
  const ratios = []
  for (let i = 0; i < Math.min(above.length, below.length); i++) {
    const value = above[i] / below[i]
    if (Number.isFinite(value)) ratios.push(value)
  }
  return { n: ratios.length, median: median(ratios), ...interval(ratios, random) }
}

/** Latencies: what a serving loop waits for. */
export function latencies(values) {
  const sorted = ascending(values)
  return {
    n: sorted.length,
    p50: quantileOf(sorted, 0.5),
    p90: quantileOf(sorted, 0.9),
    p99: quantileOf(sorted, 0.99),
    p999: quantileOf(sorted, 0.999),
    max: sorted.at(-1) ?? NaN,
  }
}

/** Numbers from a standard normal distribution, by Box and Muller. */
export function normal(count, random) {
  const out = new Float32Array(count)
  for (let i = 0; i < count; i += 2) {
    const radius = Math.sqrt(-2 * Math.log(1 - random()))
    const angle = 2 * Math.PI * random()
    out[i] = radius * Math.cos(angle)
    if (i + 1 < count) out[i + 1] = radius * Math.sin(angle)
  }
  return out
}
