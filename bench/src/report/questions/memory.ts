import { rowsSpec, type RowPoint } from '../plot/rows.ts'
import { figureOf, ofBench, shown, text, type Question } from '../question.ts'
import { percentilesCaption, percentilesSpec } from './percentiles.ts'

export const pagedCalls: Question = {
  id: 'paged-calls',
  title: "How long do the paged cache's calls take?",
  asks: 'The baseline over block tables: steps, blocks, forks and prefix lookups, called from JavaScript on the CPU.',
  benches: ['paged-step'],
  figures: (results) =>
    ofBench(results, 'paged-step').map((of) =>
      figureOf('paged-calls', of, results, {
        title: 'Calls of the paged cache',
        spec: percentilesSpec(of.cases, 'callUs', 'time of a call, µs (logarithmic)', (one) =>
          text(one, 'call'),
        ),
        caption: percentilesCaption,
      }),
    ),
}

export const allocation: Question = {
  id: 'allocation',
  title: 'How fast is a prompt backed by pages?',
  asks: 'Prompts of 16K tokens get memory, with page classes of different sizes: until the step returns, and until the pages can be used.',
  benches: ['step'],
  figures: (results) =>
    ofBench(results, 'step').flatMap((of) => {
      const points = of.cases.flatMap((one): RowPoint[] =>
        [
          ['until ready', 'readyGbPerSecond'],
          ['step alone', 'stepGbPerSecond'],
        ].flatMap(([series, metric]) => {
          const { value, low, high } = shown(one.metrics[metric!])
          return value === null
            ? []
            : [{ row: text(one, 'pageClasses'), series: series!, value, low, high }]
        }),
      )
      if (points.length === 0) return []
      return figureOf('allocation', of, results, {
        title: 'Allocation bandwidth',
        spec: rowsSpec(points, { axis: 'memory backed, GB/s (logarithmic)', log: true }),
        caption: 'Medians of prompts with 95 % bootstrap intervals.',
      })
    }),
}
