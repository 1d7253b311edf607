import type { PlotSpec } from './svg.ts'
import { labelWidth, linesOf } from './row-label.ts'
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
  /** Bars from 0 instead of dots. Defaults to `false`. */
  readonly bars?: boolean
  /** How numbers of the axis are written, as d3-format says it: `.0%`. */
  readonly format?: string
}

/** Rows of dots or bars with intervals: one row for each thing that is compared. */
export function rowsSpec(points: readonly RowPoint[], options: RowsOptions): PlotSpec {
  const { axis, log = false, zero = true, marks = [], sorted = false, oneLine = false } = options
  const { bars = false, format } = options
  const series = [...new Set(points.map((one) => one.series))]
  const first = points.filter((one) => one.series === series[0])
  const rows = sorted
    ? [...first].sort((a, b) => b.value - a.value).map(({ row }) => row)
    : points.map(({ row }) => row)
  const lines = Math.max(1, ...rows.map((row) => linesOf(row).length))
  const labelHeight = 12 + 12 * lines
  const apart = series.length > 1 && !oneLine
  const powers = log ? decades(points.map(({ value }) => value)) : undefined
  // Rows' names stand left of the plot, and the legend with it.
  const names = Math.max(0, ...rows.map(labelWidth))
  // A title that is longer than its axis goes on below the names.
  const titleAnchor = axis.length * 6.5 > plotWidth - names ? 'end' : null
  const shape = bars ? { type: 'bar' } : { type: 'point', filled: true, size: 46, opacity: 1 }
  const text = (row: string) => linesOf(row).join('\n')
  const x = (field: string) => ({
    field,
    type: 'quantitative',
    title: axis,
    scale: log ? { type: 'log', nice: true } : { zero, nice: true },
    axis: {
      tickCount: 5,
      labelOverlap: true,
      labelSeparation: 6,
      titleAnchor,
      ...(log && { format: ',~r' }),
      ...(format !== undefined && { format }),
      ...(powers && { values: powers }),
    },
  })
  const y = {
    y: {
      field: 'row',
      type: 'nominal',
      title: null,
      sort: [...new Set([...rows, ...points.map(({ row }) => row)].map(text))],
      axis: {
        grid: true,
        domain: false,
        ticks: false,
        tickBand: 'extent',
        labelExpr: `split(datum.label, '\\n')`,
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
  const interval = {
    transform: [{ filter: 'isValid(datum.low) && isValid(datum.high)' }],
    mark: { type: 'rule', strokeWidth: 2 },
    encoding: {
      x: x('low'),
      x2: { field: 'high' },
      ...y,
      color: bars ? { value: 'var(--ink)' } : colour,
    },
  }
  const values = {
    mark: shape,
    encoding: {
      x: x('value'),
      ...y,
      color: colour,
      ...(series.length > 1 && !bars && { shape: { ...colour } }),
    },
  }
  return {
    data: { values: points.map((one) => ({ ...one, row: text(one.row) })) },
    height: apart
      ? { step: Math.max(11, labelHeight / series.length), for: 'offset' }
      : { step: labelHeight },
    layer: [
      ...marks.map(({ value, label }, i) => ({
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
              dy: -2 - 12 * i, // one above the other: they may be near

              color: 'var(--quiet)',
              fontSize: 11,
            },
            encoding: { x: x('value'), y: { value: 0 }, text: { field: 'label' } },
          },
        ],
      })),
      ...(bars ? [values, interval] : [interval, values]),
    ],
  }
}
