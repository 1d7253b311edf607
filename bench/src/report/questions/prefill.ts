import type { PlacedCase } from '../../result/index.ts'
import { datasheetOf } from '../datasheet.ts'
import { formatTokens } from '../format.ts'
import { linesSpec, type LinePoint } from '../plot/lines.ts'
import {
  backendName,
  figureOf,
  number,
  ofBench,
  shown,
  text,
  type Question,
  type ReportedResult,
} from '../question.ts'
import { ratioCaption, ratiosOf, ratioSpec } from './ratios.ts'

/** Arithmetic rate: a result has one of the two units, TFLOP/s on a GPU and GFLOP/s on a CPU. */
const rateOf = ({ metrics }: PlacedCase) => metrics.tflops ?? metrics.gflops

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
    yAxis: cases.some(({ metrics }) => 'gflops' in metrics) ? 'GFLOP/s' : 'TFLOP/s',
    marks: peak ? [{ value: peak, label: `data sheet, dense: ${peak} TFLOP/s` }] : [],
  })
}

const inRounds = (one: PlacedCase) => one.parameters.phase === 'rounds' && rateOf(one) !== undefined

export const prefillSpeed: Question = {
  id: 'prefill',
  title: 'How fast is causal prefill, and what does paging cost there?',
  asks: 'One prompt, every backend over contiguous memory and over its pages. All of them take turns in shuffled rounds, so they share one clock and one power limit.',
  benches: ['prefill'],
  figures: (results) =>
    ofBench(results, 'prefill').map((of) =>
      figureOf('prefill', of, results, {
        title: 'Prefill by length',
        spec: rateSpec(
          of,
          of.cases.filter(inRounds),
          (one) => backendName(text(one, 'backend')),
          (one) => text(one, 'cache'),
        ),
        caption: 'Medians of rounds with 95 % bootstrap intervals. Masked pairs are not counted.',
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
      const cases = of.cases.filter(
        ({ parameters, metrics }) =>
          ['burst', 'sustained'].includes(String(parameters.phase)) && 'tflops' in metrics,
      )
      if (cases.length === 0) return []
      return figureOf('prefill-power', of, results, {
        title: 'Prefill in a burst and sustained',
        spec: rateSpec(
          of,
          cases,
          (one) => `${backendName(text(one, 'backend'))} ${text(one, 'cache')}`,
          (one) => text(one, 'phase'),
        ),
        caption:
          'Medians of launches with 95 % bootstrap intervals; TFLOP/s per GHz are in the table.',
      })
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
      const draw = (name: string, title: string, cases: readonly PlacedCase[]) =>
        cases.length === 0
          ? []
          : figureOf(name, of, results, {
              title,
              spec: ratioSpec(cases, (one) => formatTokens(number(one, 'tokens'))),
              caption: ratioCaption,
            })
      const cases = ratiosOf(of.cases)
      return [
        draw('prefill-layout', 'Prefill, the layout alone', cases.filter(sameKernel)),
        draw(
          'prefill-kernels',
          'Prefill, kernel and layout',
          cases.filter((one) => !sameKernel(one)),
        ),
      ].flat()
    }),
}

export const peers: Question = {
  id: 'peers',
  title: "Against PyTorch's own attention",
  asks: "scaled_dot_product_attention with cuDNN's and with PyTorch's own kernels, in another process on the same GPU.",
  benches: ['peers'],
  figures: (results) =>
    ofBench(results, 'peers').flatMap((of) => [
      figureOf('peers', of, results, {
        title: 'Prefill beside PyTorch',
        spec: rateSpec(
          of,
          of.cases.filter(inRounds),
          (one) => `${text(one, 'backend')} ${text(one, 'cache')}`,
          () => '',
        ),
        caption: 'Medians of rounds with 95 % bootstrap intervals.',
      }),
      figureOf('peers-ratios', of, results, {
        title: 'Ratios to PyTorch',
        spec: ratioSpec(ratiosOf(of.cases), (one) => formatTokens(number(one, 'tokens'))),
        caption: ratioCaption,
      }),
    ]),
}
