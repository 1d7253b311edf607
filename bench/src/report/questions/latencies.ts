import { latenciesOf } from '../question.ts'
import type { PlacedCase } from '../../result/index.ts'
import { rowsSpec, type RowPoint, type RowsOptions } from '../plot/rows.ts'

/** What the marks of such plots are. */
export const latencyCaption =
  'Dots: p50 of all calls; lines: to p99, or to the longest where there are too few calls for a p99.'

/** The p50 of a metric with a line to its p99: a row's dot. */
export function latencyPoint(
  one: PlacedCase,
  metric: string,
  row: string,
  series: string,
): RowPoint[] {
  const found = latenciesOf(one.metrics[metric])
  const value = found?.p50
  if (typeof value !== 'number' || value <= 0) return []
  return [{ row, series, value, low: value, high: found!.p99 ?? found!.max }]
}

/** A plot of latencies side by side, on a logarithmic axis. */
export const latencySpec = (
  points: readonly RowPoint[],
  axis: string,
  more: Partial<RowsOptions> = {},
) => rowsSpec(points, { axis: `${axis} (logarithmic)`, log: true, ...more })
