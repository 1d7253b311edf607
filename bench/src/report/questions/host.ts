import { formatTokens } from '../format.ts'
import { rowsSpec, type RowPoint } from '../plot/rows.ts'
import { backendName, figureOf, number, ofBench, shown, text, type Question } from '../question.ts'
import { percentilesCaption, percentilesSpec } from './percentiles.ts'
import { ratioCaption, ratiosOf, ratioSpec } from './ratios.ts'

export const overhead: Question = {
  id: 'overhead',
  title: 'What does a pass cost the calling thread?',
  asks: 'Prepare and one run for each of 32 layers, from JavaScript, from C++ where that was built, and as a replayed CUDA graph.',
  benches: ['overhead'],
  figures: (results) =>
    ofBench(results, 'overhead').map((of) =>
      figureOf('overhead', of, results, {
        title: 'Time of the calling thread',
        spec: rowsSpec(
          of.cases.flatMap((one): RowPoint[] =>
            [
              ['from JavaScript', 'totalUs'],
              ['from C++', 'nativeTotalUs'],
              ['as a graph', 'graphTotalUs'],
            ].flatMap(([series, metric]) => {
              const { value, low, high } = shown(one.metrics[metric!])
              if (value === null) return []
              return [{ row: backendName(text(one, 'backend')), series: series!, value, low, high }]
            }),
          ),
          { axis: 'time of the calling thread for a pass, µs' },
        ),
        caption: 'Medians of passes with 95 % bootstrap intervals.',
      }),
    ),
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

export const engine: Question = {
  id: 'engine',
  title: 'The engine beside llama.cpp on the CPU',
  asks: 'The same model file and number of threads: requests × (prompt, output) tokens, in processes of their own.',
  benches: ['engine-vs-llama'],
  figures: (results) =>
    ofBench(results, 'engine-vs-llama').map((of) =>
      figureOf('engine', of, results, {
        title: 'Tokens per second',
        spec: rowsSpec(
          of.cases.flatMap((one): RowPoint[] => {
            const metric = one.metrics.tokensPerSecond
            if (typeof metric !== 'object' || metric === null || !('median' in metric)) return []
            const { median: value, min: low, max: high } = metric
            if (value === null) return []
            return [{ row: text(one, 'task'), series: text(one, 'engine'), value, low, high }]
          }),
          { axis: 'tokens per second' },
        ),
        caption: 'Medians of five runs; the lines go from the slowest run to the fastest.',
      }),
    ),
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
