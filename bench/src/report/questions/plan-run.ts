import { rowsSpec, type RowPoint } from '../plot/rows.ts'
import { backendName, figureOf, ofBench, shown, text, type Question } from '../question.ts'

const callers = [
  ['', 'callUs'],
  [', from C++', 'nativeCallUs'],
] as const

export const planRun: Question = {
  id: 'plan-run',
  title: 'What does one call of plan.run cost beyond its kernel?',
  asks: 'Sequences without new tokens, on the CPU: a call is checked and handed over, and nothing is computed. From JavaScript, and from C++ where that was built.',
  benches: ['overhead'],
  figures: (results) =>
    ofBench(results, 'overhead').flatMap((of) => {
      const points = of.cases.flatMap((one) =>
        callers.flatMap(([caller, metric]): RowPoint[] => {
          const { value, low, high } = shown(one.metrics[metric])
          if (value === null) return []
          const row = `${backendName(text(one, 'backend'))} ${text(one, 'cache')}${caller}`
          return [{ row, series: `${text(one, 'sequences')} sequences`, value, low, high }]
        }),
      )
      if (points.length === 0) return []
      return figureOf('plan-run', of, results, {
        title: 'Cost of plan.run',
        spec: rowsSpec(points, { axis: 'time of a call beyond the kernel, µs' }),
        caption: 'Medians of samples of many calls, with 95 % bootstrap intervals.',
      })
    }),
}
