// What the benchmarks of the two caches share.

/** SmolLM2-135M: 23,040 bytes a token. */
export const shape = { layers: 30, kvHeads: 3, headDim: 64, dtype: 'bfloat16' }

/** Percentiles of durations in nanoseconds, as microseconds. */
export function summary(nanoseconds) {
  const sorted = Float64Array.from(nanoseconds).sort()
  const at = (fraction) => sorted[Math.min(sorted.length - 1, Math.floor(fraction * sorted.length))]
  const us = (value) => Math.round(value / 10) / 100
  return {
    samples: sorted.length,
    p50: us(at(0.5)),
    p90: us(at(0.9)),
    p99: us(at(0.99)),
    max: us(sorted.at(-1)),
  }
}

/** The result of a step that must have succeeded. */
export function must(result) {
  if (result.status !== 'ok') throw new Error(`a step failed: ${JSON.stringify(result)}`)
  return result
}

/** What `measure` returns of a cache, which is disposed then. Node 20 has no `using`. */
export function withCache(cache, measure) {
  try {
    return measure(cache)
  } finally {
    cache[Symbol.dispose]()
  }
}
