import { bisectRight } from 'd3-array'

import { shuffle, type Random } from '../harness/random.ts'

/**
 * A distribution by its quantiles, linear between them. Those of a file of n rows put row i, from 0
 * on, at (i + 1/2) / n, the middle of what it stands for, so that drawing has the file's mean.
 */
export interface QuantileTable {
  /** Ascending, from 0 to 1. `[n]` */
  readonly probabilities: readonly number[]
  /** Not descending. `[n]` */
  readonly values: readonly number[]
}

/** The probabilities of most tables here: steps of 2.5 %, and finer in the tails. `[52]` */
export const usualProbabilities: readonly number[] = [
  ...[0, 0.001, 0.005, 0.01],
  ...Array.from({ length: 39 }, (_, i) => (i + 1) / 40),
  ...[0.98, 0.985, 0.99, 0.9925, 0.995, 0.9975, 0.999, 0.9995, 1],
]

/** A table over `usualProbabilities`. */
export function usualTable(values: readonly number[]): QuantileTable {
  return { probabilities: usualProbabilities, values }
}

/** The value at `probability`, from 0 to 1. */
export function quantileAt({ probabilities, values }: QuantileTable, probability: number): number {
  const above = bisectRight(probabilities, probability)
  if (above >= values.length) return values[values.length - 1]!
  const [p0, p1] = [probabilities[above - 1]!, probabilities[above]!]
  const [v0, v1] = [values[above - 1]!, values[above]!]
  return v0 + ((probability - p0) / (p1 - p0)) * (v1 - v0)
}

/** The mean that drawing from the table has. */
export function tableMean({ probabilities, values }: QuantileTable): number {
  let mean = 0
  for (let i = 1; i < values.length; i++) {
    mean += ((values[i]! + values[i - 1]!) / 2) * (probabilities[i]! - probabilities[i - 1]!)
  }
  return mean
}

/**
 * `count` values, ascending, one from each `1 / count` of the distribution: like drawing rows of a
 * file without putting them back, so that quantiles and mean are met more closely than by independent
 * draws, whatever the count.
 */
export function stratified(table: QuantileTable, count: number, random: Random): number[] {
  return Array.from({ length: count }, (_, i) => quantileAt(table, (i + random.uniform()) / count))
}

/** `stratified` values in random order. */
export function drawn(table: QuantileTable, count: number, random: Random): number[] {
  return shuffle(stratified(table, count, random), random)
}

/**
 * Values in the order of `ranks`: the least value goes where `keys` is least. This gives values the
 * keys' dependence in time or on each other without touching their distribution.
 *
 * @param ascending `[n]`
 * @param keys `[n]`
 */
export function arrangedBy(ascending: readonly number[], keys: readonly number[]): number[] {
  const order = keys.map((_, i) => i).sort((a, b) => keys[a]! - keys[b]! || a - b)
  const arranged = new Array<number>(keys.length)
  order.forEach((place, rank) => {
    arranged[place] = ascending[rank]!
  })
  return arranged
}
