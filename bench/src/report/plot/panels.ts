import type { PlotSpec } from './svg.ts'
import { legendColumns, plotWidth } from './theme.ts'

/** One point of a line in a panel. */
export interface PanelPoint {
  /** Which panel it is in. */
  readonly panel: string
  /** Which of the panel's lines; all panels have the same kinds. */
  readonly series: string
  readonly x: number
  readonly y: number
}

export interface PanelsOptions {
  /** With units. */
  readonly xAxis: string
  readonly yAxis: string
  /** A logarithmic axis. Defaults to `false`. */
  readonly log?: boolean
  /** Of a panel. Defaults to 90. */
  readonly height?: number
  /** Values beyond it are not drawn. Defaults to the largest. */
  readonly most?: number
  /** A line that keeps its value until the next point. Defaults to `false`: straight lines. */
  readonly steps?: boolean
}

/** Room left of a panel, for its axis. */
const axisWidth = 52

/** Panels of lines, one below the other, with the same axes: what changes over time, for each thing. */
export function panelsSpec(points: readonly PanelPoint[], options: PanelsOptions): PlotSpec {
  const { xAxis, yAxis, log = false, height = 90, steps = false, most } = options
  const series = [...new Set(points.map((one) => one.series))]
  const panels = [...new Set(points.map((one) => one.panel))]
  return {
    data: { values: points.map((one) => ({ ...one })) },
    facet: {
      field: 'panel',
      type: 'nominal',
      title: null,
      sort: panels,
      header: {
        labelAnchor: 'start',
        labelColor: 'var(--ink)',
        labelFontSize: 12,
        labelFontWeight: 600,
        labelPadding: 2,
        labelLimit: 0,
      },
    },
    columns: 1,
    spacing: 8,
    // Panels of several plots do not fit themselves: their width is what the axis leaves.
    autosize: { type: 'pad', contains: 'padding' },
    spec: {
      width: plotWidth - axisWidth,
      height,
      mark: {
        type: 'line',
        strokeWidth: 1.4,
        strokeJoin: 'round',
        clip: most !== undefined,
        ...(steps && { interpolate: 'step-after' }),
      },
      encoding: {
        x: {
          field: 'x',
          type: 'quantitative',
          title: xAxis,
          scale: { zero: false, nice: false },
          axis: { grid: false, tickCount: 6, labelOverlap: true },
        },
        y: {
          field: 'y',
          type: 'quantitative',
          title: yAxis,
          scale: log
            ? { type: 'log' }
            : { zero: true, nice: true, ...(most !== undefined && { domainMax: most }) },
          axis: { tickCount: 4, labelOverlap: true, ...(log && { format: '~s' }) },
        },
        color: {
          field: 'series',
          type: 'nominal',
          title: null,
          scale: { domain: series },
          legend: series.length > 1 ? { columns: legendColumns(series) } : null,
        },
      },
    },
  }
}
