import { rowsSpec, type RowPoint } from '../plot/rows.ts'
import { backendName, figureOf, ofBench, shown, text, type Question } from '../question.ts'

export const planRun: Question = {
  id: 'plan-run',
  title: 'What does one call of plan.run cost beyond its kernel?',
  asks: 'Sequences without new tokens, on the CPU: a call is checked and handed over, and nothing is computed.',
  benches: ['overhead'],
  figures: (results) =>
    ofBench(results, 'overhead').flatMap((of) => {
      const points = of.cases.flatMap((one): RowPoint[] => {
        const { value, low, high } = shown(one.metrics.callUs)
        if (value === null) return []
        const row = `${backendName(text(one, 'backend'))} ${text(one, 'cache')}`
        return [{ row, series: `${text(one, 'sequences')} sequences`, value, low, high }]
      })
      if (points.length === 0) return []
      return figureOf('plan-run', of, results, {
        title: 'Cost of plan.run',
        spec: rowsSpec(points, { axis: 'time of a call beyond the kernel, µs' }),
        caption: 'Medians of samples of many calls, with 95 % bootstrap intervals.',
      })
    }),
}
