import type { PlacedCase } from '../../result/index.ts'
import { formatNumber } from '../format.ts'
import { linesSpec, type LinePoint } from '../plot/lines.ts'
import {
  figureOf,
  groupsBy,
  number,
  ofBench,
  shown,
  text,
  type Question,
  type ReportedResult,
} from '../question.ts'

/** Page classes, and where their memory came from when it was not taken anew. */
function memoryName(one: PlacedCase): string {
  const memory = text(one, 'memory')
  return memory === 'recycled' ? 'recycled pages' : text(one, 'pageClasses')
}

function pointsOf(cases: readonly PlacedCase[], metric: string): LinePoint[] {
  return cases.flatMap((one) => {
    const { value: y, low, high } = shown(one.metrics[metric])
    if (y === null || y <= 0) return []
    const x = number(one, 'tokens')
    return [{ x, y, low, high, colour: memoryName(one), dash: text(one, 'cache') }]
  })
}

/** How fast the model needs memory: lines across the plot. */
const demandMarks = (cases: readonly PlacedCase[]) =>
  cases.flatMap((one) => {
    const { value } = shown(one.metrics.growthGbPerSecond)
    if (value === null) return []
    const label = `needed: ${text(one, 'phase')}, ${formatNumber(value)} GB/s`
    return [{ value, label }]
  })

function figuresOf(of: ReportedResult, results: readonly ReportedResult[]) {
  return groupsBy(of.cases, 'shape').flatMap(({ cases, suffix, about }) => {
    const prompts = cases.filter(({ parameters }) => parameters.part === 'prompts')
    if (prompts.length === 0) return []
    const marks = demandMarks(cases)
    const draw = (id: string, title: string, metric: string) =>
      figureOf(`${id}${suffix}`, of, results, {
        title: `${title}${about}`,
        spec: linesSpec(pointsOf(prompts, metric), {
          xAxis: 'tokens of the prompt',
          yAxis: 'memory backed, GB/s (logarithmic)',
          log: true,
          marks,
        }),
        caption:
          'Medians of prompts with 95 % bootstrap intervals. Dashed across: how fast the KV cache of the model grows at most.',
      })
    const ready = draw('allocate', 'Allocation bandwidth', 'readyGbPerSecond')
    // On the host, what a step returns can be used.
    if (!of.result.device) return [ready]
    return [
      ready,
      draw('allocate-step', 'Allocation bandwidth of the step alone', 'stepGbPerSecond'),
    ]
  })
}

export const allocationByLength: Question = {
  id: 'allocate',
  title: 'Do prompts get memory as fast as a model needs it?',
  asks: 'Prompts of growing length are backed with pages that were taken anew, with recycled ones, and with blocks of a pool that was taken before. The cache has to be above what the model at full speed fills.',
  benches: ['allocate'],
  figures: (results) => ofBench(results, 'allocate').flatMap((of) => figuresOf(of, results)),
}
