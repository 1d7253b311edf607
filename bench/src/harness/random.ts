/**
 * Seeded random numbers, the same on every platform: integer arithmetic (`pure-rand`), and no
 * logarithms or powers, whose last bit may differ, where the result decides anything.
 */
import { uniformFloat64 } from 'pure-rand/distribution/uniformFloat64'
import { uniformInt } from 'pure-rand/distribution/uniformInt'
import { xoroshiro128plus } from 'pure-rand/generator/xoroshiro128plus'

/** A source of random numbers. */
export interface Random {
  /** Uniform in [0, 1). */
  uniform(): number
  /** A whole number, uniform in `least..most`, both included. */
  integer(least: number, most: number): number
}

/** Spreads every bit of a 32-bit integer over all of them, one to one (MurmurHash3's finalizer). */
function mix(value: number): number {
  let bits = Math.imul(value ^ (value >>> 16), 0x85ebca6b)
  bits = Math.imul(bits ^ (bits >>> 13), 0xc2b2ae35)
  return bits ^ (bits >>> 16)
}

/**
 * Random numbers of `seed`; those of another `stream` of the same seed are independent.
 *
 * @param seed A whole number; its low 32 bits count.
 * @param stream Which of the seed's sequences; its low 32 bits count. Defaults to `0`.
 */
export function randomOf(seed: number, stream = 0): Random {
  // Neighbouring seeds would begin alike. For one seed, no two streams get the same state.
  const generator = xoroshiro128plus(mix(mix(seed) ^ stream))
  return {
    uniform: () => uniformFloat64(generator),
    integer: (least, most) => uniformInt(generator, least, most),
  }
}

/**
 * Of mean 0 and variance 1, nearly normal: a sum of uniform numbers, which takes additions only.
 */
export function nearlyNormal(random: Random): number {
  let sum = -6 // half of the twelve, whose variance is 1/12 each
  for (let i = 0; i < 12; i++) sum += random.uniform()
  return sum
}

/** Puts `items` in random order, in place (Fisher and Yates). */
export function shuffle<T>(items: T[], random: Random): T[] {
  for (let i = items.length - 1; i > 0; i--) {
    const j = random.integer(0, i)
    const held = items[i]!
    items[i] = items[j]!
    items[j] = held
  }
  return items
}
