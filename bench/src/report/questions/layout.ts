import type { PlacedCase } from '../../result/index.ts'
import { formatTokens } from '../format.ts'
import { rowsSpec } from '../plot/rows.ts'
import {
  figureOf,
  groupsBy,
  number,
  ofBench,
  shown,
  text,
  type Figure,
  type Question,
  type ReportedResult,
} from '../question.ts'
import { batchName } from './decode.ts'
import { ratioCaption, ratiosOf } from './ratios.ts'

/** `fa3 layer-group-4/2MiB` in parts. */
function sideOf(one: PlacedCase, key: 'of' | 'over') {
  const name = text(one, key)
  const [subject = name, page = ''] = name.split('/', 2)
  const space = subject.lastIndexOf(' ')
  return { backend: subject.slice(0, space), layout: subject.slice(space + 1), page }
}

const tasks = ['decode', 'prefill'] as const

const where = (one: PlacedCase) =>
  text(one, 'task') === 'decode' ? batchName(one) : `${formatTokens(number(one, 'tokens'))} tokens`

/** The plots of one comparison: one for each task, a colour for each of its batches or lengths. */
function ratioFigures(
  of: ReportedResult,
  results: readonly ReportedResult[],
  about: {
    readonly id: string
    readonly title: string
    readonly axis: string
    readonly isOne: (one: PlacedCase) => boolean
    readonly row: (one: PlacedCase) => string
  },
): Figure[] {
  const compared = ratiosOf(of.cases).filter(about.isOne)
  return groupsBy(compared, 'shape').flatMap((group) =>
    tasks.flatMap((task) => {
      const cases = group.cases.filter((one) => text(one, 'task') === task)
      if (cases.length === 0) return []
      const points = cases.flatMap((one) => {
        const { value, low, high } = shown(one.metrics.speedRatio)
        return value === null ? [] : [{ row: about.row(one), series: where(one), value, low, high }]
      })
      return figureOf(`${about.id}-${task}${group.suffix}`, of, results, {
        title: `${about.title}, ${task}${group.about}`,
        spec: rowsSpec(points, { axis: about.axis, zero: false, marks: [{ value: 1, label: '' }] }),
        caption: ratioCaption,
      })
    }),
  )
}

export const layouts: Question = {
  id: 'layout',
  title: 'What does it cost a kernel to have the layers side by side?',
  asks: 'Interleaved layers need one mapping where split ones need two for each layer, and waste less; their rows are further apart. The speed over that of split layers, with pages of the same size.',
  benches: ['layout'],
  figures: (results) =>
    ofBench(results, 'layout').flatMap((of) =>
      ratioFigures(of, results, {
        id: 'layout',
        title: 'Layouts against split',
        axis: 'speed over that of split, ×',
        isOne: (one) =>
          sideOf(one, 'over').layout === 'split' && sideOf(one, 'of').layout !== 'split',
        row: (one) => {
          const { backend, layout, page } = sideOf(one, 'of')
          return `${backend} ${layout}${page && `, ${page}`}`
        },
      }),
    ),
}

export const pageClasses: Question = {
  id: 'layout-pages',
  title: 'Does a kernel notice the size of the pages?',
  asks: 'The same kernel over the same layout, with larger pages over the smallest.',
  benches: ['layout'],
  figures: (results) =>
    ofBench(results, 'layout').flatMap((of) =>
      ratioFigures(of, results, {
        id: 'layout-pages',
        title: 'Page classes',
        axis: 'ratio of speeds, ×',
        isOne: (one) => sideOf(one, 'of').page !== sideOf(one, 'over').page,
        row: (one) => {
          const { backend, layout, page } = sideOf(one, 'of')
          return `${backend} ${layout}, ${page} over ${sideOf(one, 'over').page}`
        },
      }),
    ),
}
