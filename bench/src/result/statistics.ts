import { quantileSorted } from 'd3-array'

import type { Summary } from './schema/parts.ts'

/**
 * Median and percentiles of samples, interpolated linearly between neighbours. `low` and `high` stay
 * null unless an interval is given: five runs have none worth the name.
 *
 * @param samples null and non-finite ones do not count
 */
export function summaryOf(
  samples: readonly (number | null)[],
  interval: { low: number; high: number } | undefined = undefined,
): Summary {
  const sorted = samples
    .filter((one): one is number => one !== null && Number.isFinite(one))
    .sort((a, b) => a - b)
  const at = (share: number) => quantileSorted(sorted, share) ?? null
  return {
    n: sorted.length,
    median: at(0.5),
    low: interval?.low ?? null,
    high: interval?.high ?? null,
    p10: at(0.1),
    p90: at(0.9),
    min: at(0),
    max: at(1),
  }
}
