import type { PlacedCase } from '../../result/index.ts'
import { rowsSpec, type RowPoint } from '../plot/rows.ts'

const names = { p50: 'p50', p90: 'p90', p99: 'p99', p999: 'p99.9', max: 'max' } as const

/** What the marks of such plots are. */
export const percentilesCaption =
  'Percentiles of all calls of one run; the longest is kept. A percentile is one number: it has no interval.'

/** A plot of latencies: a row for each case, its percentiles on one line. */
export function percentilesSpec(
  cases: readonly PlacedCase[],
  metric: string,
  axis: string,
  row: (one: PlacedCase) => string,
) {
  const points = cases.flatMap((one) => {
    const found = one.metrics[metric]
    if (typeof found !== 'object' || found === null) return []
    return Object.entries(names).flatMap(([key, series]): RowPoint[] => {
      const value = found[key as keyof typeof found] as number | null | undefined
      return typeof value === 'number' && value > 0
        ? [{ row: row(one), series, value, low: null, high: null }]
        : []
    })
  })
  return rowsSpec(points, { axis, log: true, oneLine: true })
}
