/**
 * When requests arrive: exponential gaps (a Poisson process), the same for the same seed.
 *
 * @param count Requests.
 * @param meanGapMs Mean time between two, in milliseconds.
 * @param seed Any integer.
 * @returns milliseconds after the start, ascending, the first at 0
 */
export function arrivals(count: number, meanGapMs: number, seed: number): number[] {
  const random = mulberry32(seed)
  const times: number[] = []
  for (let time = 0; times.length < count; time += -Math.log(1 - random()) * meanGapMs)
    times.push(time)
  return times
}

/** Mulberry32: a small seeded generator of numbers in [0, 1). */
function mulberry32(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}
