import type { PlacedCase } from '../../result/index.ts'
import { datasheetOf } from '../datasheet.ts'
import { formatTokens } from '../format.ts'
import { rowsSpec, type RowPoint } from '../plot/rows.ts'
import { figureOf, groupsBy, number, ofBench, shown, text, type Question } from '../question.ts'
import { ratioCaption, ratiosOf, ratioSpec } from './ratios.ts'

/** `16 × 16K`: sequences and tokens of each. */
export const batchName = (one: PlacedCase) =>
  `${number(one, 'sequences')} × ${formatTokens(number(one, 'tokens'))}`

/** What the simplest reader of as many bytes got in the same rounds, at best. */
function memoryMarks(cases: readonly PlacedCase[]): { value: number; label: string }[] {
  const read = cases.flatMap((one) => {
    const { value } = shown(one.metrics.readGbPerSecond ?? one.metrics.copyGbPerSecond)
    return value === null ? [] : [{ value, label: `${text(one, 'memory')}, measured` }]
  })
  return read.sort((a, b) => b.value - a.value).slice(0, 1)
}

export const decodeBandwidth: Question = {
  id: 'decode',
  title: 'How much of the memory bandwidth does decode get?',
  asks: 'One new token for each sequence: attention reads all keys and values once, so memory decides. Bytes of K and V a second, for each backend and cache.',
  benches: ['decode'],
  figures: (results) =>
    ofBench(results, 'decode').flatMap((of) => {
      const peak = datasheetOf(of.result.device?.name)?.memoryGbPerSecond
      return groupsBy(of.cases, 'shape').flatMap(({ cases, suffix, about }) => {
        const points = cases.flatMap(bandwidthPoints)
        if (points.length === 0) return []
        return figureOf(`decode${suffix}`, of, results, {
          title: `Decode bandwidth${about}`,
          spec: rowsSpec(points, {
            axis: 'K and V read, GB/s',
            sorted: true,
            oneLine: true,
            marks: [...(peak ? [{ value: peak, label: 'data sheet' }] : []), ...memoryMarks(cases)],
          }),
          caption:
            'Medians of rounds with 95 % bootstrap intervals, most of them narrower than the dots. Colours: sequences × tokens of each.',
        })
      })
    }),
}

/** A kernel's own launches, and those of a graph where there is one. */
function bandwidthPoints(one: PlacedCase): RowPoint[] {
  const row = `${text(one, 'backend')} ${text(one, 'cache')}`
  const ways = [
    [row, one.metrics.gbPerSecond],
    [`${row}, graph`, one.metrics.graphGbPerSecond],
  ] as const
  return ways.flatMap(([name, metric]): RowPoint[] => {
    const { value, low, high } = shown(metric)
    return value === null ? [] : [{ row: name, series: batchName(one), value, low, high }]
  })
}

export const decodeRatios: Question = {
  id: 'decode-ratios',
  title: 'Contiguous against paged in decode',
  asks: 'The best contiguous cache against the best paged one: parity is what there is to expect. What interleaving the layers costs. And the memory itself, and PagedAttention, a reference and no opponent.',
  benches: ['decode'],
  figures: (results) =>
    ofBench(results, 'decode').flatMap((of) => {
      const draw = (name: string, title: string, ratios: readonly PlacedCase[]) =>
        groupsBy(ratios, 'shape').map(({ cases, suffix, about }) =>
          figureOf(`${name}${suffix}`, of, results, {
            title: `${title}${about}`,
            spec: ratioSpec(cases, batchName, undefined, true),
            caption: ratioCaption,
          }),
        )
      const all = ratiosOf(of.cases)
      const against = (which: readonly PlacedCase[], pattern: RegExp) =>
        which.filter((one) => pattern.test(text(one, 'over')))
      const reference = against(all, /^paged-attention/)
      const memory = against(all, /^(sequential read|device copy)$/)
      const layouts = all.filter((one) => !reference.includes(one) && !memory.includes(one))
      return [
        ...draw('decode-ratios', 'Decode ratios', layouts),
        ...draw('decode-memory', 'Decode against plain reading', memory),
        ...draw('decode-reference', 'Decode against PagedAttention', reference),
      ]
    }),
}
