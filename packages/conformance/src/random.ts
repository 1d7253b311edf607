/**
 * Seeded randomness of our own: seeds of other generators do not replay across languages. The
 * content of a row depends only on what it is (seed, sequence, layer, position), never on the order
 * in which rows are made, so two scenes with the same labels hold the same tokens.
 */

/** Mixes integers into one 32-bit state: a chain of murmur3 finalizers. */
export function mix(...values: readonly number[]): number {
  let state = 0x9e3779b9
  for (const value of values) {
    state ^= value | 0
    state = Math.imul(state ^ (state >>> 16), 0x85ebca6b)
    state = Math.imul(state ^ (state >>> 13), 0xc2b2ae35)
    state = (state ^ (state >>> 16)) + 0x9e3779b9
  }
  return state | 0
}

/** Values of unit variance, uniform in ±sqrt(3). */
const scale = Math.sqrt(3) / 0x80000000

/** Fills `count` elements of `out` from `offset` on with the values that `seed` stands for. */
export function fillRandom(seed: number, out: Float32Array, offset = 0, count = out.length): void {
  let state = seed | 0
  for (let i = offset; i < offset + count; i++) {
    // splitmix32: one addition and three rounds an element, good enough and fast for millions.
    state = (state + 0x9e3779b9) | 0
    let value = state ^ (state >>> 16)
    value = Math.imul(value, 0x21f0aaad)
    value ^= value >>> 15
    value = Math.imul(value, 0x735a2d97)
    out[i] = (value ^ (value >>> 15)) * scale
  }
}

/** A generator for decisions: lengths, orders, operations. */
export class Random {
  #state: number

  constructor(seed: number) {
    this.#state = mix(seed)
  }

  /** An integer in `[0, end)`. */
  integer(end: number): number {
    this.#state = mix(this.#state)
    return Math.floor(((this.#state >>> 0) / 0x1_0000_0000) * end)
  }

  /** One of `values`. */
  pick<T>(values: readonly T[]): T {
    return values[this.integer(values.length)]!
  }

  /** `values` in random order. */
  shuffle<T>(values: readonly T[]): T[] {
    const result = [...values]
    for (let i = result.length - 1; i > 0; i--) {
      const j = this.integer(i + 1)
      ;[result[i], result[j]] = [result[j]!, result[i]!]
    }
    return result
  }
}
