import { metricWords, unitOf } from '../../result/index.ts'
import { rowsSpec, type RowPoint } from '../plot/rows.ts'
import { figureOf, shown, type Figure, type Question, type ReportedResult } from '../question.ts'

/** Most rows of such a plot: what has more is read in its table. */
const mostRows = 40

/** Plots of a bench that no question was written for: one for each metric with a better way. */
function figuresOf(of: ReportedResult, results: readonly ReportedResult[]): Figure[] {
  const keys = [...new Set(of.cases.flatMap(({ metrics }) => Object.keys(metrics)))]
  return keys.flatMap((key) => {
    const unit = unitOf(key)
    if (unit.better === 'neither') return []
    const points = of.cases.flatMap((one): RowPoint[] => {
      const { value, low, high } = shown(one.metrics[key])
      return value === null ? [] : [{ row: one.name, series: '', value, low, high }]
    })
    if (points.length === 0 || points.length > mostRows) return []
    const what = metricWords(key) || unit.quantity
    return [
      figureOf(`${of.result.bench}-${key}`, of, results, {
        title: `${of.result.bench}, ${what}`,
        spec: rowsSpec(points, { axis: `${what}, ${unit.symbol} (${unit.better} is better)` }),
        caption: 'Medians (or p50) with 95 % bootstrap intervals where there are any.',
      }),
    ]
  })
}

/** What benches have measured that nobody asked about. */
export function otherQuestion(asked: readonly Question[]): Question {
  const known = new Set(asked.flatMap(({ benches }) => benches))
  return {
    id: 'others',
    title: 'What else was measured',
    asks: 'Benches without a question of their own: each metric by case.',
    benches: [],
    figures: (results) =>
      results
        .filter(({ result }) => !known.has(result.bench))
        .flatMap((one) => figuresOf(one, results)),
  }
}
