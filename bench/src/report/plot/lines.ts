import type { PlotSpec } from './svg.ts'
import { decades, legendColumns } from './theme.ts'

/** One point of a line, with its interval. */
export interface LinePoint {
  readonly x: number
  readonly y: number
  readonly low: number | null | undefined
  readonly high: number | null | undefined
  /** Colour. */
  readonly colour: string
  /** Dashes and shape. */
  readonly dash: string
}

export interface LinesOptions {
  /** With units. */
  readonly xAxis: string
  readonly yAxis: string
  /** What is on the x axis: tokens on powers of two, or rates from 0 on. Defaults to `tokens`. */
  readonly over?: 'tokens' | 'rates'
  /** A logarithmic axis of values. Defaults to `false`: it begins at 0. */
  readonly log?: boolean
  /** Values that are marked: what there is at most, or what is needed. */
  readonly marks?: readonly { readonly value: number; readonly label: string }[]
}

const dashes = [
  [1, 0],
  [5, 3],
  [2, 3],
  [8, 3, 2, 3],
  [1, 4],
  [10, 4],
]

/** Lines over a length or a rate. */
export function linesSpec(points: readonly LinePoint[], options: LinesOptions): PlotSpec {
  const { xAxis, yAxis, over = 'tokens', log = false, marks = [] } = options
  const powers = log
    ? decades([...points.map((one) => one.y), ...marks.map((one) => one.value)])
    : undefined
  const colours = [...new Set(points.map((one) => one.colour))]
  const kinds = [...new Set(points.map((one) => one.dash))]
  const ticks = [...new Set(points.map((one) => one.x))].sort((a, b) => a - b)
  const x = {
    field: 'x',
    type: 'quantitative',
    title: xAxis,
    ...(over === 'tokens'
      ? {
          scale: { type: 'log', base: 2, nice: false, padding: 12 },
          axis: {
            values: ticks,
            labelExpr: 'datum.value >= 1024 ? datum.value / 1024 + "K" : "" + datum.value',
            grid: false,
          },
        }
      : { scale: { zero: true, nice: true }, axis: { grid: false } }),
  }
  const y = (field: string) => ({
    field,
    type: 'quantitative',
    title: yAxis,
    scale: log ? { type: 'log', nice: true } : { zero: true, nice: true },
    axis: {
      ...(log && { format: ',~r', tickCount: 5, labelOverlap: true }),
      ...(powers && { values: powers }),
    },
  })
  const legend = (values: readonly string[]) =>
    values.length > 1 ? { columns: legendColumns(values) } : null
  const colour = {
    field: 'colour',
    type: 'nominal',
    title: null,
    scale: { domain: colours },
    legend: legend(colours),
  }
  const dash = { field: 'dash', type: 'nominal', title: null }
  return {
    data: { values: points.map((one) => ({ ...one })) },
    height: 260,
    layer: [
      ...marks.map(({ value, label }) => ({
        data: { values: [{ value, label }] },
        layer: [
          {
            mark: { type: 'rule', strokeDash: [4, 3], color: 'var(--quiet)' },
            encoding: { y: y('value') },
          },
          {
            mark: {
              type: 'text',
              align: 'left',
              baseline: 'bottom',
              dx: 4,
              dy: -2,
              color: 'var(--quiet)',
              fontSize: 11,
            },
            encoding: { y: y('value'), x: { value: 0 }, text: { field: 'label' } },
          },
        ],
      })),
      {
        mark: { type: 'line', strokeWidth: 2 },
        encoding: {
          x,
          y: y('y'),
          color: colour,
          strokeDash: {
            ...dash,
            scale: { domain: kinds, range: dashes },
            legend: kinds.length > 1 ? { columns: legendColumns(kinds) } : null,
          },
        },
      },
      {
        transform: [{ filter: 'isValid(datum.low) && isValid(datum.high)' }],
        mark: { type: 'rule', strokeWidth: 2 },
        encoding: {
          x,
          y: y('low'),
          y2: { field: 'high' },
          color: colour,
          detail: { field: 'dash' },
        },
      },
      {
        mark: { type: 'point', filled: true, size: 40, opacity: 1 },
        encoding: {
          x,
          y: y('y'),
          color: colour,
          shape: {
            ...dash,
            scale: { domain: kinds },
            legend: kinds.length > 1 ? { columns: legendColumns(kinds) } : null,
          },
        },
      },
    ],
  }
}
