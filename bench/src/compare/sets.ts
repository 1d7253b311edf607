import { resultErrors } from '../result/errors.ts'
import type { SourcedResult } from '../result/index.ts'
import { compareResults, type CompareOptions, type Comparison } from './compare.ts'

/** Results of several benches or devices, before and after. */
export interface ComparisonSet {
  /** One for each bench and device that both have. */
  readonly comparisons: readonly Comparison[]
  /** Benches and devices that only one of them has: `decode on NVIDIA H200`. */
  readonly onlyInA: readonly string[]
  readonly onlyInB: readonly string[]
  /** What makes the choice of pairs doubtful: several results of one bench and device. */
  readonly doubts: readonly string[]
  /** For a command: 3 when any of them has a regression, else 0. */
  readonly exitStatus: 0 | 3
}

/** What results are paired by, in words: `decode on NVIDIA H200`. */
export const placeOf = ({ result }: SourcedResult) =>
  `${result.bench} on ${result.device?.name ?? 'CPU'}`

/** Full runs before smoke runs, then the newest: the one that stands for a bench and device. */
function newest(results: readonly SourcedResult[]): SourcedResult {
  const rank = ({ result }: SourcedResult) =>
    `${result.label === 'full' ? 1 : 0} ${result.startedAt}`
  return results.reduce((best, one) => (rank(one) > rank(best) ? one : best))
}

function byPlace(results: readonly SourcedResult[]): Map<string, SourcedResult[]> {
  const places = new Map<string, SourcedResult[]>()
  for (const one of results) {
    places.set(placeOf(one), [...(places.get(placeOf(one)) ?? []), one])
  }
  return places
}

/**
 * Compares all that two collections of results have in common, bench by bench and device by device.
 *
 * @param a Before.
 * @param b After.
 * @throws ResultError when they have no bench and device in common
 * @throws RangeError when the threshold is not a positive number
 */
export function compareSets(
  a: readonly SourcedResult[],
  b: readonly SourcedResult[],
  options: CompareOptions = {},
): ComparisonSet {
  const before = byPlace(a)
  const after = byPlace(b)
  const common = [...before.keys()].filter((place) => after.has(place))
  const without = (from: typeof before, to: typeof before) =>
    [...from.keys()].filter((place) => !to.has(place))
  if (common.length === 0) {
    const places = (of: typeof before) => [...of.keys()].join(', ') || 'nothing'
    throw resultErrors.mismatch('comparison', [
      `no bench and device in common: before has ${places(before)}, after has ${places(after)}`,
    ])
  }
  const comparisons = common.map((place) =>
    compareResults(newest(before.get(place)!), newest(after.get(place)!), options),
  )
  const several = (which: string, of: typeof before) =>
    common.flatMap((place) => {
      const found = of.get(place)!
      if (found.length === 1) return []
      const { source } = newest(found)
      return `${which} has ${found.length} results of ${place}: the newest is compared, ${source}`
    })
  return {
    comparisons,
    onlyInA: without(before, after),
    onlyInB: without(after, before),
    doubts: [...several('a', before), ...several('b', after)],
    exitStatus: comparisons.some(({ exitStatus }) => exitStatus === 3) ? 3 : 0,
  }
}
