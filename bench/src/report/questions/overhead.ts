import type { PlacedCase } from '../../result/index.ts'
import { rowsSpec, type RowPoint } from '../plot/rows.ts'
import { backendName, figureOf, ofBench, shown, text, type Question } from '../question.ts'

/** A pass's parts. */
const parts = [
  ['step', 'stepUs'],
  ['prepare', 'prepareUs'],
  ['run of one layer', 'layerUs'],
  ['the same from C++', 'nativeLayerUs'],
] as const

const totals = [
  ['from JavaScript', 'totalUs'],
  ['from C++', 'nativeTotalUs'],
  ['as a graph', 'graphTotalUs'],
] as const

/** Metrics of every backend and cache: a row each. */
function passPoints(
  cases: readonly PlacedCase[],
  metrics: readonly (readonly [series: string, metric: string])[],
): RowPoint[] {
  return cases.flatMap((one) =>
    metrics.flatMap(([series, metric]): RowPoint[] => {
      const { value, low, high } = shown(one.metrics[metric])
      if (value === null) return []
      const row = [backendName(text(one, 'backend')), text(one, 'cache')].filter(Boolean).join(' ')
      return [{ row, series, value, low, high }]
    }),
  )
}

export const overhead: Question = {
  id: 'overhead',
  title: 'What does a pass cost the calling thread?',
  asks: 'Prepare and one run for each layer of the model, from JavaScript, from C++ where that was built, and as a replayed CUDA graph. On the CPU the attention itself, of few tokens, is a part of it.',
  benches: ['overhead'],
  figures: (results) =>
    ofBench(results, 'overhead').flatMap((of) => {
      const passes = passPoints(of.cases, totals)
      const apart = of.cases.some(({ metrics }) => 'layerUs' in metrics)
      const inParts = apart ? passPoints(of.cases, parts) : []
      return [
        ...(passes.length > 0
          ? [
              figureOf('overhead', of, results, {
                title: 'Time of the calling thread',
                spec: rowsSpec(passes, { axis: 'time of the calling thread for a pass, µs' }),
                caption: 'Medians of passes with 95 % bootstrap intervals.',
              }),
            ]
          : []),
        ...(inParts.length > 0
          ? [
              figureOf('overhead-parts', of, results, {
                title: 'What a pass is made of',
                spec: rowsSpec(inParts, { axis: 'time of a call, µs (logarithmic)', log: true }),
                caption:
                  'Medians of passes with 95 % bootstrap intervals; called from JavaScript unless it says C++.',
              }),
            ]
          : []),
      ]
    }),
}
