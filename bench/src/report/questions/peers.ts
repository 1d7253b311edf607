import type { PlacedCase } from '../../result/index.ts'
import { formatNumber, formatTokens } from '../format.ts'
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
import { batchName } from './decode.ts'
import { inRounds, rateSpec } from './prefill.ts'
import { ratioCaption, ratiosOf, ratioSpec } from './ratios.ts'

const rounds = 'Medians of rounds with 95 % bootstrap intervals.'

/** A kernel: ours by backend and cache, a peer's by its name and that of its kernel. */
const subject = (one: PlacedCase) => `${text(one, 'backend')} ${text(one, 'cache')}`

const isDecode = (one: PlacedCase) => text(one, 'task') === 'decode'
const isEngine = (one: PlacedCase) =>
  'engine' in one.parameters || text(one, 'over') === 'node-llama-cpp'

const where = (one: PlacedCase) =>
  isDecode(one) ? `decode ${batchName(one)}` : formatTokens(number(one, 'tokens'))

function prefillFigures(of: ReportedResult, results: readonly ReportedResult[]): Figure[] {
  const prompts = of.cases.filter((one) => inRounds(one) && !isDecode(one))
  return groupsBy(prompts, 'shape').map(({ cases, suffix, about }) =>
    figureOf(`peers${suffix}`, of, results, {
      title: `Prefill beside peers${about}`,
      spec: rateSpec(of, cases, subject, () => ''),
      caption: rounds,
    }),
  )
}

function decodeFigures(of: ReportedResult, results: readonly ReportedResult[]): Figure[] {
  const batches = of.cases.filter(
    (one) => isDecode(one) && shown(one.metrics.gbPerSecond).value !== null,
  )
  return groupsBy(batches, 'shape').map(({ cases, suffix, about }) => {
    const points = cases.flatMap((one): RowPoint[] => {
      const { value, low, high } = shown(one.metrics.gbPerSecond)
      return value === null ? [] : [{ row: subject(one), series: batchName(one), value, low, high }]
    })
    return figureOf(`peers-decode${suffix}`, of, results, {
      title: `Decode beside peers${about}`,
      spec: rowsSpec(points, { axis: 'K and V read, GB/s', sorted: true, oneLine: true }),
      caption: rounds,
    })
  })
}

export const peers: Question = {
  id: 'peers',
  title: 'Against the attention that one would take instead',
  asks: "PyTorch's scaled_dot_product_attention with cuDNN's and with its own kernels, and ONNX Runtime's: each in a process of its own, with the same numbers, in turns with ours.",
  benches: ['peers'],
  figures: (results) =>
    ofBench(results, 'peers').flatMap((of) => {
      const ratios = ratiosOf(of.cases).filter((one) => !isEngine(one))
      return [
        ...prefillFigures(of, results),
        ...decodeFigures(of, results),
        ...groupsBy(ratios, 'shape').map(({ cases, suffix, about }) =>
          figureOf(`peers-ratios${suffix}`, of, results, {
            title: `Ratios to peers${about}`,
            spec: ratioSpec(cases, where),
            caption: ratioCaption,
          }),
        ),
      ]
    }),
}

/** Up to where both engines answer the same, and how close the choice was where they part. */
function greedyWords({ cases }: ReportedResult): string[] {
  return cases.flatMap(({ name, metrics }): string[] => {
    if (!('sameTokens' in metrics)) return []
    const { value } = shown(metrics.marginLogits)
    const margin = value === null ? '' : ` (our best two logits are ${formatNumber(value)} apart)`
    return [`Greedy answer to ${name}${margin}.`]
  })
}

/** Tokens per second of a case. */
function enginePoint(one: PlacedCase): RowPoint[] {
  const { value, low, high } = shown(one.metrics.tokensPerSecond)
  if (value === null) return []
  return [{ row: text(one, 'task'), series: text(one, 'engine'), value, low, high }]
}

export const engine: Question = {
  id: 'engine',
  title: 'The engine beside llama.cpp on the CPU',
  asks: 'The same model file and number of threads: requests × (prompt, output) tokens, in processes of their own. Before that, both answer the same questions.',
  benches: ['peers'],
  words: (results) => ofBench(results, 'peers').flatMap(greedyWords),
  figures: (results) =>
    ofBench(results, 'peers').flatMap((of): Figure[] => {
      const cases = of.cases.filter(({ parameters }) => 'engine' in parameters)
      const points = cases.flatMap(enginePoint)
      const ratios = ratiosOf(of.cases).filter(isEngine)
      return [
        ...(points.length > 0
          ? [
              figureOf('peers-engine', of, results, {
                title: 'Tokens per second',
                spec: rowsSpec(points, { axis: 'tokens per second' }),
                caption: rounds,
              }),
            ]
          : []),
        ...(ratios.length > 0
          ? [
              figureOf('peers-engine-ratios', of, results, {
                title: 'Engine against node-llama-cpp',
                spec: ratioSpec(
                  ratios,
                  () => '',
                  (one) => text(one, 'task'),
                ),
                caption: ratioCaption,
              }),
            ]
          : []),
      ]
    }),
}
