import type { PlotSpec } from './svg.ts'
import { decades, legendColumns } from './theme.ts'

/** A kernel: what it does for each byte that it has to move, and how fast. */
export interface RooflinePoint {
  /** FLOP per byte. */
  readonly intensity: number
  readonly tflops: number
  readonly low: number | null | undefined
  readonly high: number | null | undefined
  readonly backend: string
  readonly task: string
}

/** What a device reaches at most: as its maker says, or as it was measured. */
export interface Roof {
  /** Bandwidths of memory, with what says so; one at least. */
  readonly memory: readonly {
    readonly gbPerSecond: number
    readonly label: string
    readonly measured: boolean
  }[]
  /** Of the matrix units, in TFLOP/s; absent where nothing says it. */
  readonly matrixTflops?: number
}

/** Numbers of a plot are in GFLOP/s where all of them are small. */
const unitOf = (tflops: number) =>
  tflops < 1 ? { name: 'GFLOP/s', perTflop: 1000 } : { name: 'TFLOP/s', perTflop: 1 }

/** Points below the limits of a device: its memory's bandwidths, its matrix units' peak. */
export function rooflineSpec(points: readonly RooflinePoint[], roof: Roof): PlotSpec {
  const best = Math.max(...points.map(({ tflops }) => tflops))
  const { name: unit, perTflop } = unitOf(best)
  const first = Math.min(1, ...points.map((one) => one.intensity / 2))
  const farthest = Math.max(...points.map((one) => one.intensity * 2))
  /** TFLOP/s at 1 FLOP per byte. */
  const slopes = roof.memory.map((one) => ({ ...one, perByte: one.gbPerSecond / 1000 }))
  const steepest = Math.max(...slopes.map(({ perByte }) => perByte))
  // Without a peak the slope ends somewhat above what was measured: nothing says how far it goes.
  const top = roof.matrixTflops ?? 4 * best
  const last = roof.matrixTflops === undefined ? farthest : Math.max((top / steepest) * 4, farthest)
  const log = (field: string, title: string, powers?: readonly number[]) => ({
    field,
    type: 'quantitative',
    title,
    scale: { type: 'log', nice: false },
    axis: { tickCount: 5, format: '~s', labelOverlap: true, ...(powers && { values: powers }) },
  })
  const rates = decades([first * steepest * perTflop, top * perTflop])
  const rate = `${unit} (logarithmic)`
  const x = log('intensity', 'FLOP per byte that has to move (logarithmic)', decades([first, last]))
  const colour = {
    field: 'backend',
    type: 'nominal',
    title: null,
    legend: { columns: legendColumns(points.map((one) => one.backend)) },
  }
  const at = (value: number, tflops: number) => ({ x: value, y: tflops * perTflop })
  const line = (values: readonly object[], dashed: boolean) => ({
    data: { values },
    mark: {
      type: 'line',
      color: 'var(--quiet)',
      strokeWidth: 1.5,
      ...(dashed && { strokeDash: [5, 3] }),
    },
    encoding: { x: { ...x, field: 'x' }, y: log('y', rate, rates) },
  })
  const label = (value: object, more: object) => ({
    data: { values: [value] },
    mark: { type: 'text', color: 'var(--quiet)', fontSize: 11, ...more },
    encoding: { x: { ...x, field: 'x' }, y: log('y', rate, rates), text: { field: 'text' } },
  })
  const scaled = (value: number | null | undefined) =>
    value === null || value === undefined ? null : value * perTflop
  return {
    data: {
      values: points.map((one) => ({
        ...one,
        rate: one.tflops * perTflop,
        low: scaled(one.low),
        high: scaled(one.high),
      })),
    },
    height: 280,
    layer: [
      ...slopes.flatMap(({ perByte, label: text, measured }) => {
        const ridge = Math.min(top / perByte, last)
        return [
          line([at(first, first * perByte), at(ridge, ridge * perByte)], measured),
          measured
            ? label(
                { ...at(ridge / 4, (ridge / 4) * perByte), text },
                { align: 'left', baseline: 'top', dx: 8 },
              )
            : label(
                { ...at(ridge / 3, (ridge / 3) * perByte), text },
                { align: 'right', baseline: 'bottom', dx: -6 },
              ),
        ]
      }),
      ...(roof.matrixTflops === undefined
        ? []
        : [
            line([at(top / steepest, top), at(last, top)], false),
            label(
              { ...at(last, top), text: `${top} TFLOP/s` },
              { align: 'right', baseline: 'bottom', dy: -4 },
            ),
          ]),
      {
        transform: [{ filter: 'isValid(datum.low) && isValid(datum.high)' }],
        mark: { type: 'rule', strokeWidth: 2 },
        encoding: {
          x,
          y: log('low', rate, rates),
          y2: { field: 'high' },
          color: colour,
        },
      },
      {
        mark: { type: 'point', filled: true, size: 40, opacity: 1 },
        encoding: {
          x,
          y: log('rate', rate, rates),
          color: colour,
          shape: { field: 'task', type: 'nominal', title: null, legend: {} },
        },
      },
    ],
  }
}
