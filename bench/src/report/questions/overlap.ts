import type { PlacedCase } from '../../result/index.ts'
import { formatNumber, formatTokens } from '../format.ts'
import { rowsSpec, type RowPoint } from '../plot/rows.ts'
import {
  figureOf,
  groupsBy,
  machineName,
  number,
  ofBench,
  shown,
  text,
  type Question,
  type ReportedResult,
} from '../question.ts'
import { batchName } from './decode.ts'

/** What goes on beside attention, in words. */
const mappingName = (one: PlacedCase) =>
  text(one, 'mapping') === 'none' ? 'nothing, once more' : `${text(one, 'mapping')} mapping`

/** What attention computes, and over what. */
function taskName(one: PlacedCase): string {
  const task = text(one, 'task')
  const of = task === 'decode' ? batchName(one) : formatTokens(number(one, 'tokens'))
  return `${text(one, 'backend')} ${text(one, 'cache')}, ${task} ${of}`
}

/** What was mapped meanwhile, and what the mapper has on this machine. */
function wordsOf(of: ReportedResult): string[] {
  const mapped = ['demand', 'unthrottled'].flatMap((mapping) => {
    const rates = of.cases
      .filter((one) => text(one, 'mapping') === mapping)
      .map((one) => shown(one.metrics.mappedGbPerSecond).value)
      .filter((value) => value !== null)
    if (rates.length === 0) return []
    const [least, most] = [Math.min(...rates), Math.max(...rates)].map(formatNumber)
    return `${mapping}: ${least === most ? least : `${least} to ${most}`} GB/s`
  })
  if (mapped.length === 0) return []
  const core = of.result.device
    ? ''
    : ' On a CPU the mapper has no core of its own: what it computes and writes is taken from the cores and the memory that attention has.'
  return [`${machineName(of)}: mapped meanwhile, ${mapped.join('; ')}.${core}`]
}

export const overlap: Question = {
  id: 'overlap',
  title: 'Does mapping slow down the attention beside it?',
  asks: 'Attention alone, and while the mapper backs pages of other sequences: at several times the demand of a model, and as fast as it can. The time with mapping over the time without; where nothing is beside it once more, the noise.',
  benches: ['overlap'],
  figures: (results) =>
    ofBench(results, 'overlap').flatMap((of) =>
      groupsBy(of.cases, 'shape').flatMap(({ cases, suffix, about }) => {
        const points = cases.flatMap((one): RowPoint[] => {
          const { value, low, high } = shown(one.metrics.timeRatio)
          if (value === null) return []
          return [{ row: taskName(one), series: mappingName(one), value, low, high }]
        })
        if (points.length === 0) return []
        return figureOf(`overlap${suffix}`, of, results, {
          title: `Attention beside the mapper${about}`,
          spec: rowsSpec(points, {
            axis: 'time with mapping / without, × (below 1 is faster)',
            zero: false,
            marks: [{ value: 1, label: '' }],
          }),
          caption:
            'Medians of ratios within rounds, with 95 % bootstrap intervals; an interval across 1 shows no difference.',
        })
      }),
    ),
  words: (results) => ofBench(results, 'overlap').flatMap(wordsOf),
}
