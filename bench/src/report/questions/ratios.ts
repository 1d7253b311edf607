import type { PlacedCase } from '../../result/index.ts'
import { rowsSpec, type RowPoint } from '../plot/rows.ts'
import { shown, text } from '../question.ts'

/** Cases that compare two subjects. */
export const ratiosOf = (cases: readonly PlacedCase[]) =>
  cases.filter(({ metrics }) => 'speedRatio' in metrics)

/** What the marks of such plots are. */
export const ratioCaption =
  'Medians of ratios within rounds, with 95 % bootstrap intervals. Right of 1: the first is faster; an interval across 1 shows no difference.'

/** A plot of ratios of speeds: a row for each comparison, or whatever `row` says. */
export function ratioSpec(
  cases: readonly PlacedCase[],
  series: (one: PlacedCase) => string,
  row = (one: PlacedCase) => `${text(one, 'of')} / ${text(one, 'over')}`,
  oneLine = false,
) {
  const points = cases.flatMap((one): RowPoint[] => {
    const { value, low, high } = shown(one.metrics.speedRatio)
    return value === null ? [] : [{ row: row(one), series: series(one), value, low, high }]
  })
  return rowsSpec(points, {
    axis: 'ratio of speeds, ×',
    zero: false,
    marks: [{ value: 1, label: '' }],
    oneLine,
  })
}
