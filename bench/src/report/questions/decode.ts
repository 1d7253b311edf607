import type { PlacedCase } from '../../result/index.ts'
import { datasheetOf } from '../datasheet.ts'
import { formatTokens } from '../format.ts'
import { rowsSpec, type RowPoint } from '../plot/rows.ts'
import { figureOf, number, ofBench, shown, text, type Question } from '../question.ts'
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
    ofBench(results, 'decode').map((of) => {
      const peak = datasheetOf(of.result.device?.name)?.memoryGbPerSecond
      const points = of.cases.flatMap((one): RowPoint[] => {
        const { value, low, high } = shown(one.metrics.gbPerSecond)
        if (value === null || 'speedRatio' in one.metrics) return []
        const row = `${text(one, 'backend')} ${text(one, 'cache')}`
        return [{ row, series: batchName(one), value, low, high }]
      })
      return figureOf('decode', of, results, {
        title: 'Decode bandwidth',
        spec: rowsSpec(points, {
          axis: 'K and V read, GB/s',
          sorted: true,
          oneLine: true,
          marks: [
            ...(peak ? [{ value: peak, label: 'data sheet' }] : []),
            ...memoryMarks(of.cases),
          ],
        }),
        caption:
          'Medians of rounds with 95 % bootstrap intervals, most of them narrower than the dots. Colours: sequences × tokens of each.',
      })
    }),
}

export const decodeRatios: Question = {
  id: 'decode-ratios',
  title: 'Contiguous against paged in decode',
  asks: 'The best contiguous cache against the best paged one: parity is what there is to expect. What interleaving the layers costs. And PagedAttention at its best block size, a reference and no opponent.',
  benches: ['decode'],
  figures: (results) =>
    ofBench(results, 'decode').flatMap((of) => {
      const draw = (name: string, title: string, cases: readonly PlacedCase[]) =>
        cases.length === 0
          ? []
          : figureOf(name, of, results, {
              title,
              spec: ratioSpec(cases, batchName, undefined, true),
              caption: ratioCaption,
            })
      const cases = ratiosOf(of.cases)
      const reference = (one: PlacedCase) => text(one, 'over').startsWith('paged-attention')
      return [
        draw(
          'decode-ratios',
          'Decode ratios',
          cases.filter((one) => !reference(one)),
        ),
        draw('decode-reference', 'Decode against PagedAttention', cases.filter(reference)),
      ].flat()
    }),
}

export const mappedPages: Question = {
  id: 'pages',
  title: 'Does the kernel notice that memory is mapped from pages?',
  asks: 'The same kernel over mapped pages and over one allocation, bit by bit the same result. 1 means that it does not.',
  benches: ['pages'],
  figures: (results) =>
    ofBench(results, 'pages').map((of) =>
      figureOf('pages', of, results, {
        title: 'Pages against one allocation',
        spec: ratioSpec(
          ratiosOf(of.cases),
          (one) => text(one, 'backend'),
          (one) => `${text(one, 'task')}, ${text(one, 'layout')}`,
        ),
        caption: ratioCaption,
      }),
    ),
}
