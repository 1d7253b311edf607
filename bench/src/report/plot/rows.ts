import type { PlotSpec } from './svg.ts'
import { decades, legendColumns, plotWidth } from './theme.ts'

/** One dot with its interval. */
export interface RowPoint {
  /** Which row it is in. */
  readonly row: string
  /** Which of the row's dots; all rows have the same kinds. */
  readonly series: string
  readonly value: number
  /** Ends of the interval; without them there is the dot alone. */
  readonly low: number | null | undefined
  readonly high: number | null | undefined
}

export interface RowsOptions {
  /** What is on the axis, with its unit: `bandwidth, TB/s`. */
  readonly axis: string
  /** A logarithmic axis. Defaults to `false`. */
  readonly log?: boolean
  /** Whether a linear axis begins at 0. Defaults to `true`. */
  readonly zero?: boolean
  /** Values that are marked: where nothing changes, or what there is at most. */
  readonly marks?: readonly { readonly value: number; readonly label: string }[]
  /** Sort rows by their first dot, largest on top. Defaults to `false`: as they come. */
  readonly sorted?: boolean
  /** Dots of a row lie on one line. Defaults to `false`: one below the other. */
  readonly oneLine?: boolean
}

/** A name on two lines where it is a ratio of two. */
const linesOf = (row: string) => row.replace(' / ', '|/ ').split('|')

/** Rows of dots with intervals: one row for each thing that is compared. */
export function rowsSpec(points: readonly RowPoint[], options: RowsOptions): PlotSpec {
  const { axis, log = false, zero = true, marks = [], sorted = false, oneLine = false } = options
  const series = [...new Set(points.map((one) => one.series))]
  const first = points.filter((one) => one.series === series[0])
  const rows = sorted
    ? [...first].sort((a, b) => b.value - a.value).map(({ row }) => row)
    : points.map(({ row }) => row)
  const twoLines = rows.some((row) => linesOf(row).length > 1)
  const apart = series.length > 1 && !oneLine
  const powers = log ? decades(points.map(({ value }) => value)) : undefined
  // Rows' names stand left of the plot, and the legend with it.
  const names = Math.max(...rows.flatMap(linesOf).map((line) => line.length)) * 7.2
  const x = (field: string) => ({
    field,
    type: 'quantitative',
    title: axis,
    scale: log ? { type: 'log', nice: true } : { zero, nice: true },
    axis: {
      tickCount: 5,
      labelOverlap: true,
      ...(log && { format: ',~r' }),
      ...(powers && { values: powers }),
    },
  })
  const y = {
    y: {
      field: 'row',
      type: 'nominal',
      title: null,
      sort: [...new Set([...rows, ...points.map(({ row }) => row)])],
      axis: {
        grid: true,
        domain: false,
        ticks: false,
        tickBand: 'extent',
        labelExpr: `split(replace(datum.label, ' / ', '|/ '), '|')`,
      },
    },
    ...(apart && { yOffset: { field: 'series', sort: series } }),
  }
  const colour = {
    field: 'series',
    type: 'nominal',
    title: null,
    scale: { domain: series },
    legend: series.length > 1 ? { columns: legendColumns(series, plotWidth - names) } : null,
  }
  return {
    data: { values: points.map((one) => ({ ...one })) },
    height: apart
      ? { step: twoLines ? Math.max(11, 34 / series.length) : 11, for: 'offset' }
      : { step: twoLines ? 36 : 24 },
    layer: [
      ...marks.map(({ value, label }) => ({
        data: { values: [{ value, label }] },
        layer: [
          {
            mark: { type: 'rule', strokeDash: [4, 3], color: 'var(--quiet)' },
            encoding: { x: x('value') },
          },
          {
            mark: {
              type: 'text',
              align: 'right',
              baseline: 'bottom',
              dy: -2,
              color: 'var(--quiet)',
              fontSize: 11,
            },
            encoding: { x: x('value'), y: { value: 0 }, text: { field: 'label' } },
          },
        ],
      })),
      {
        transform: [{ filter: 'isValid(datum.low) && isValid(datum.high)' }],
        mark: { type: 'rule', strokeWidth: 2 },
        encoding: { x: x('low'), x2: { field: 'high' }, ...y, color: colour },
      },
      {
        mark: { type: 'point', filled: true, size: 46, opacity: 1 },
        encoding: {
          x: x('value'),
          ...y,
          color: colour,
          ...(series.length > 1 && { shape: { ...colour } }),
        },
      },
    ],
  }
}
