import type { PlacedCase } from '../../result/index.ts'
import { formatTokens } from '../format.ts'
import { rowsSpec, type RowPoint } from '../plot/rows.ts'
import { backendName, figureOf, number, ofBench, shown, text, type Question } from '../question.ts'
import { percentilesCaption, percentilesSpec } from './percentiles.ts'
import { ratioCaption, ratiosOf, ratioSpec } from './ratios.ts'

/** A pass's parts, which only the suite tells apart. */
const parts = [
  ['step', 'stepUs'],
  ['prepare', 'prepareUs'],
  ['run of one layer', 'layerUs'],
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
                caption: 'Medians of passes with 95 % bootstrap intervals; called from JavaScript.',
              }),
            ]
          : []),
      ]
    }),
}

export const cpuAttention: Question = {
  id: 'cpu-decode',
  title: 'Attention on the CPU: decode',
  asks: 'A gigabyte of keys and values, read by one new token of each sequence; beside it, what plain reading gets on the same machine.',
  benches: ['cpu-attention'],
  figures: (results) =>
    ofBench(results, 'cpu-attention').flatMap((of) => {
      const decode = of.cases.filter(({ parameters }) => parameters.part === 'decode')
      return [
        figureOf('cpu-decode', of, results, {
          title: 'CPU decode bandwidth',
          spec: rowsSpec(
            decode.flatMap((one): RowPoint[] => {
              const { value, low, high } = shown(one.metrics.gbPerSecond)
              return value === null
                ? []
                : [{ row: text(one, 'cache'), series: text(one, 'model'), value, low, high }]
            }),
            { axis: 'K and V read, GB/s' },
          ),
          caption: 'Medians of rounds with 95 % bootstrap intervals.',
        }),
        figureOf('cpu-decode-ratios', of, results, {
          title: 'CPU decode ratios',
          spec: ratioSpec(ratiosOf(decode), (one) => text(one, 'model')),
          caption: ratioCaption,
        }),
      ]
    }),
}

export const cpuPrefill: Question = {
  id: 'cpu-prefill',
  title: 'Attention on the CPU: prefill, and what a call costs',
  asks: 'Arithmetic a second of one prompt, and the time of one plan.run beyond its kernel.',
  benches: ['cpu-attention'],
  figures: (results) =>
    ofBench(results, 'cpu-attention').flatMap((of) => {
      const rows = (metric: string, row: (one: (typeof of.cases)[number]) => string) =>
        of.cases.flatMap((one): RowPoint[] => {
          const { value, low, high } = shown(one.metrics[metric])
          return value === null ? [] : [{ row: row(one), series: '', value, low, high }]
        })
      const caption = 'Medians with 95 % bootstrap intervals.'
      return [
        figureOf('cpu-prefill', of, results, {
          title: 'CPU prefill',
          spec: rowsSpec(
            rows(
              'gflops',
              (one) => `${text(one, 'model')}, ${formatTokens(number(one, 'tokens'))}`,
            ),
            { axis: 'GFLOP/s' },
          ),
          caption,
        }),
        figureOf('cpu-call', of, results, {
          title: 'Cost of plan.run',
          spec: rowsSpec(
            rows('callUs', (one) => `${text(one, 'sequences')} sequences`),
            { axis: 'time of a call beyond the kernel, µs' },
          ),
          caption,
        }),
      ]
    }),
}

export const eventLoop: Question = {
  id: 'event-loop',
  title: 'Does serving block the event loop?',
  asks: 'How long a timer of the same process is late while the engine serves.',
  benches: ['engine-event-loop'],
  figures: (results) =>
    ofBench(results, 'engine-event-loop').map((of) =>
      figureOf('event-loop', of, results, {
        title: 'Event-loop delay',
        spec: percentilesSpec(
          of.cases,
          'eventLoopDelayMs',
          'delay, ms (logarithmic)',
          (one) => `${text(one, 'requests')} requests`,
        ),
        caption: percentilesCaption,
      }),
    ),
}
