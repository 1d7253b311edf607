import type { Datasheet } from '../datasheet.ts'
import type { PlotSpec } from './svg.ts'
import { legendColumns } from './theme.ts'

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

/** Points below the two limits of a device: its memory's bandwidth, its matrix units' peak. */
export function rooflineSpec(points: readonly RooflinePoint[], sheet: Datasheet): PlotSpec {
  const perByte = sheet.memoryGbPerSecond / 1000 // TFLOP/s at 1 FLOP per byte
  const ridge = sheet.matrixTflops / perByte
  const first = Math.min(1, ...points.map((one) => one.intensity / 2))
  const last = Math.max(ridge * 4, ...points.map((one) => one.intensity * 2))
  const roof = [
    { x: first, y: first * perByte },
    { x: ridge, y: sheet.matrixTflops },
    { x: last, y: sheet.matrixTflops },
  ]
  const log = (field: string, title: string) => ({
    field,
    type: 'quantitative',
    title,
    scale: { type: 'log', nice: false },
    axis: {
      tickCount: 5,
      format: '~s',
      labelOverlap: true,
      values: [0.1, 1, 10, 100, 1e3, 1e4, 1e5, 1e6],
    },
  })
  const rate = 'TFLOP/s (logarithmic)'
  const x = log('intensity', 'FLOP per byte that has to move (logarithmic)')
  const colour = {
    field: 'backend',
    type: 'nominal',
    title: null,
    legend: { columns: legendColumns(points.map((one) => one.backend)) },
  }
  const label = (value: { x: number; y: number; text: string }, more: object) => ({
    data: { values: [value] },
    mark: { type: 'text', color: 'var(--quiet)', fontSize: 11, ...more },
    encoding: { x: { ...x, field: 'x' }, y: log('y', rate), text: { field: 'text' } },
  })
  return {
    data: { values: points.map((one) => ({ ...one })) },
    height: 280,
    layer: [
      {
        data: { values: roof },
        mark: { type: 'line', color: 'var(--quiet)', strokeWidth: 1.5 },
        encoding: { x: { ...x, field: 'x' }, y: log('y', rate) },
      },
      label(
        { x: last, y: sheet.matrixTflops, text: `${sheet.matrixTflops} TFLOP/s` },
        { align: 'right', baseline: 'bottom', dy: -4 },
      ),
      label(
        { x: ridge / 3, y: (ridge / 3) * perByte, text: `${sheet.memoryGbPerSecond / 1000} TB/s` },
        { align: 'right', baseline: 'bottom', dx: -6 },
      ),
      {
        transform: [{ filter: 'isValid(datum.low) && isValid(datum.high)' }],
        mark: { type: 'rule', strokeWidth: 2 },
        encoding: {
          x,
          y: log('low', rate),
          y2: { field: 'high' },
          color: colour,
        },
      },
      {
        mark: { type: 'point', filled: true, size: 40, opacity: 1 },
        encoding: {
          x,
          y: log('tflops', rate),
          color: colour,
          shape: { field: 'task', type: 'nominal', title: null, legend: {} },
        },
      },
    ],
  }
}
