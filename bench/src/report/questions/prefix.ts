import type { PlacedCase } from '../../result/index.ts'
import { formatShare } from '../format.ts'
import { rowsSpec, type RowPoint } from '../plot/rows.ts'
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
import { latencyCaption, latencyPoint, latencySpec } from './latencies.ts'

const sharing = (one: PlacedCase) => one.parameters.sharing === true

/** A share in percent, without the digits that say nothing. */
const percent = (share: number) => formatShare(share).replace('.0 %', ' %')

/** Of the tokens of all requests together. */
const memoryName = (one: PlacedCase) => `memory for ${percent(number(one, 'memoryShare'))}`

const rowOf = (one: PlacedCase) => `${text(one, 'cache')}\n${memoryName(one)}`

const hits = [
  ['found', 'tokenHitShare'],
  ['at most, in so much memory', 'ceilingInMemoryShare'],
  ['at most, in any memory', 'ceilingShare'],
] as const

function hitPoints(one: PlacedCase): RowPoint[] {
  return hits.flatMap(([series, metric]) => {
    const { value } = shown(one.metrics[metric])
    return value === null ? [] : [{ row: rowOf(one), series, value, low: null, high: null }]
  })
}

/** The plots of one question, one for each trace. */
const byTrace =
  (
    draw: (
      cases: readonly PlacedCase[],
      figure: (id: string, title: string, rest: Pick<Figure, 'spec' | 'caption'>) => Figure,
    ) => Figure[],
  ) =>
  (results: readonly ReportedResult[]): Figure[] =>
    ofBench(results, 'prefix').flatMap((of) =>
      groupsBy(of.cases, 'shape', 'trace').flatMap(({ cases, suffix, about }) =>
        draw(cases, (id, title, rest) =>
          figureOf(`${id}${suffix}`, of, results, { ...rest, title: `${title}${about}` }),
        ),
      ),
    )

export const prefixHits: Question = {
  id: 'prefix',
  title: 'How much of a prompt is found in the cache?',
  asks: 'A trace with common beginnings is replayed; tokens of prompts that need not be computed, beside what a perfect cache would find.',
  benches: ['prefix'],
  figures: byTrace((cases, figure) => {
    const points = cases.filter(sharing).flatMap(hitPoints)
    if (points.length === 0) return []
    return [
      figure('prefix', 'Tokens of prompts that were found', {
        spec: rowsSpec(points, {
          axis: 'share of the tokens of all prompts',
          format: '.0%',
        }),
        caption:
          'Counted, not timed. Memory is a share of what the tokens of all requests would take together.',
      }),
    ]
  }),
}

const admissions = [
  ['something was found', true, 'admitHitUs'],
  ['nothing was found', true, 'admitMissUs'],
  ['without sharing', false, 'admitUs'],
] as const

export const prefixAdmission: Question = {
  id: 'prefix-admit',
  title: 'What does sharing cost when a request is admitted?',
  asks: 'Time to allocate and to take the first step of a request. Pages are shared whole: a contiguous cache copies the tokens of the last page that it cannot share, a paged one those of a block.',
  benches: ['prefix'],
  figures: byTrace((cases, figure) => {
    const points = admissions.flatMap(([series, on, metric]) =>
      cases
        .filter((one) => sharing(one) === on)
        .flatMap((one) => latencyPoint(one, metric, rowOf(one), series)),
    )
    const copied = cases.filter(sharing).flatMap((one): RowPoint[] => {
      const { value } = shown(one.metrics.copiedBytes)
      if (value === null) return []
      const row = text(one, 'cache')
      return [{ row, series: memoryName(one), value: value / 2 ** 20, low: null, high: null }]
    })
    return [
      ...(points.length > 0
        ? [
            figure('prefix-admit', 'Time to admit a request', {
              spec: latencySpec(points, 'allocate and the first step, µs'),
              caption: latencyCaption,
            }),
          ]
        : []),
      ...(copied.length > 0
        ? [
            figure('prefix-copied', 'Bytes copied for sharing', {
              spec: rowsSpec(copied, { axis: 'copied within the cache, MiB', bars: true }),
              caption: 'Counted over one replay of the trace, not timed.',
            }),
          ]
        : []),
    ]
  }),
}
