import type { PlacedCase } from '../../result/index.ts'
import { datasheetOf } from '../datasheet.ts'
import { formatTokens } from '../format.ts'
import { linesSpec, type LinePoint } from '../plot/lines.ts'
import { rowsSpec, type RowPoint } from '../plot/rows.ts'
import type { PlotSpec } from '../plot/svg.ts'
import {
  backendName,
  figureOf,
  groupsBy,
  number,
  ofBench,
  shown,
  text,
  type Question,
  type ReportedResult,
} from '../question.ts'
import { ratioCaption, ratiosOf, ratioSpec } from './ratios.ts'

/** Arithmetic rate: a result has one of the two units, TFLOP/s on a GPU and GFLOP/s on a CPU. */
export const rateOf = ({ metrics }: PlacedCase) => metrics.tflops ?? metrics.gflops

/** Its unit. */
export const rateUnit = (cases: readonly PlacedCase[]) =>
  cases.some(({ metrics }) => 'gflops' in metrics) ? 'GFLOP/s' : 'TFLOP/s'

function points(
  cases: readonly PlacedCase[],
  colour: (one: PlacedCase) => string,
  dash: (one: PlacedCase) => string,
): LinePoint[] {
  return cases.flatMap((one) => {
    const { value: y, low, high } = shown(rateOf(one))
    return y === null
      ? []
      : [{ x: number(one, 'tokens'), y, low, high, colour: colour(one), dash: dash(one) }]
  })
}

/** Lines of a rate over the prompt's length, below the matrix units' peak where that is known. */
export function rateSpec(
  of: ReportedResult,
  cases: readonly PlacedCase[],
  colour: (one: PlacedCase) => string,
  dash: (one: PlacedCase) => string,
) {
  const peak = datasheetOf(of.result.device?.name)?.matrixTflops
  return linesSpec(points(cases, colour, dash), {
    xAxis: 'tokens of the prompt',
    yAxis: rateUnit(cases),
    marks: peak ? [{ value: peak, label: `data sheet, dense: ${peak} TFLOP/s` }] : [],
  })
}

export const inRounds = (one: PlacedCase) =>
  one.parameters.phase === 'rounds' && rateOf(one) !== undefined

export const prefillSpeed: Question = {
  id: 'prefill',
  title: 'How fast is causal prefill, and what does paging cost there?',
  asks: 'One prompt, every backend over contiguous memory and over its pages. All of them take turns in shuffled rounds, so they share one clock and one power limit.',
  benches: ['prefill'],
  figures: (results) =>
    ofBench(results, 'prefill').flatMap((of) =>
      groupsBy(of.cases.filter(inRounds), 'shape').map(({ cases, suffix, about }) =>
        figureOf(`prefill${suffix}`, of, results, {
          title: `Prefill by length${about}`,
          spec: rateSpec(of, cases, ...looksOf(cases)),
          caption: 'Medians of rounds with 95 % bootstrap intervals. Masked pairs are not counted.',
        }),
      ),
    ),
}

/** Colours and dashes: backends and caches; of one backend alone the caches have the colours. */
function looksOf(
  cases: readonly PlacedCase[],
): readonly [colour: (one: PlacedCase) => string, dash: (one: PlacedCase) => string] {
  const subject = (one: PlacedCase) => backendName(text(one, 'backend'))
  const cache = (one: PlacedCase) => text(one, 'cache')
  const several = new Set(cases.map(subject)).size > 1
  return several ? [subject, cache] : [(one) => `${subject(one)} ${cache(one)}`, () => '']
}

/** Tokens of a chunk and its place: `512 at 32K`; with sequences that decode in the same pass. */
function chunkName(one: PlacedCase): string {
  const chunk = formatTokens(number(one, 'chunk'))
  const at = formatTokens(number(one, 'tokens'))
  const decoding = number(one, 'sequences') - 1
  return decoding > 0 ? `${chunk} at ${at} + ${decoding} decoding` : `${chunk} at ${at}`
}

const chunkRatio = ({ metrics }: PlacedCase) => metrics.chunkSpeedRatio ?? metrics.mixedSpeedRatio

export const prefillChunks: Question = {
  id: 'prefill-chunks',
  title: 'And chunks of a prompt, alone or beside sequences that decode?',
  asks: 'What a server with chunked prefill runs: new tokens behind a prefix that is in the cache, and passes that decode other sequences at the same time.',
  benches: ['prefill'],
  figures: (results) =>
    ofBench(results, 'prefill').flatMap((of) =>
      groupsBy(of.cases, 'shape').flatMap(({ cases, suffix, about }) => {
        const rates = cases.flatMap((one): RowPoint[] => {
          if (!['chunk', 'mixed'].includes(text(one, 'phase'))) return []
          const { value, low, high } = shown(rateOf(one))
          const row = `${text(one, 'backend')} ${text(one, 'cache')}`
          return value === null ? [] : [{ row, series: chunkName(one), value, low, high }]
        })
        const ratios = cases.flatMap((one): RowPoint[] => {
          const { value, low, high } = shown(chunkRatio(one))
          const row = `${text(one, 'of')} / ${text(one, 'over')}`
          return value === null ? [] : [{ row, series: chunkName(one), value, low, high }]
        })
        const draw = (id: string, title: string, spec: PlotSpec, caption: string) =>
          figureOf(`${id}${suffix}`, of, results, { title: `${title}${about}`, spec, caption })
        return [
          ...(rates.length > 0
            ? [
                draw(
                  'prefill-chunks',
                  'Chunks and mixed passes',
                  rowsSpec(rates, { axis: rateUnit(cases) }),
                  'Medians of rounds with 95 % bootstrap intervals. Masked pairs are not counted.',
                ),
              ]
            : []),
          ...(ratios.length > 0
            ? [
                draw(
                  'prefill-chunk-ratios',
                  'Chunks and mixed passes, ratios',
                  rowsSpec(ratios, {
                    axis: 'ratio of speeds, ×',
                    zero: false,
                    marks: [{ value: 1, label: '' }],
                  }),
                  ratioCaption,
                ),
              ]
            : []),
        ]
      }),
    ),
}

export const prefillPower: Question = {
  id: 'prefill-power',
  title: 'What does a prompt get in a burst, and what when the GPU stays busy?',
  asks: 'The first launches after a pause run at the highest clock; without pauses the power limit decides. Both are true of the same kernel.',
  benches: ['prefill'],
  figures: (results) =>
    ofBench(results, 'prefill').flatMap((of) => {
      const power = of.cases.filter(
        ({ parameters, metrics }) =>
          ['burst', 'sustained'].includes(String(parameters.phase)) && 'tflops' in metrics,
      )
      return groupsBy(power, 'shape').map(({ cases, suffix, about }) =>
        figureOf(`prefill-power${suffix}`, of, results, {
          title: `Prefill in a burst and sustained${about}`,
          spec: rateSpec(
            of,
            cases,
            (one) => `${backendName(text(one, 'backend'))} ${text(one, 'cache')}`,
            (one) => text(one, 'phase'),
          ),
          caption:
            'Medians of launches with 95 % bootstrap intervals; TFLOP/s per GHz are in the table.',
        }),
      )
    }),
}

/** Whether both sides are the same kernel, so that the layout alone differs. */
const sameKernel = (one: PlacedCase) =>
  text(one, 'of').split(' ')[0] === text(one, 'over').split(' ')[0]

export const prefillRatios: Question = {
  id: 'prefill-ratios',
  title: 'Contiguous against paged in prefill',
  asks: 'Ratios within rounds, which a drift of clocks does not touch. Where backends differ, kernel and layout are compared at once: that is no gain of contiguity alone.',
  benches: ['prefill'],
  figures: (results) =>
    ofBench(results, 'prefill').flatMap((of) => {
      const draw = (name: string, title: string, ratios: readonly PlacedCase[]) =>
        groupsBy(ratios, 'shape').map(({ cases, suffix, about }) =>
          figureOf(`${name}${suffix}`, of, results, {
            title: `${title}${about}`,
            spec: ratioSpec(cases, (one) => formatTokens(number(one, 'tokens'))),
            caption: ratioCaption,
          }),
        )
      const all = ratiosOf(of.cases)
      return [
        draw('prefill-layout', 'Prefill, the layout alone', all.filter(sameKernel)),
        draw(
          'prefill-kernels',
          'Prefill, kernel and layout',
          all.filter((one) => !sameKernel(one)),
        ),
      ].flat()
    }),
}
