import { figures, type Rate, type Sample } from '../../harness/index.ts'
import type { MeasuredCase } from '../../result/index.ts'
import type { AttentionBench } from './attention-bench.ts'
import { cacheLabel } from './cache-label.ts'
import type { LiveSubject } from './attention-cell.ts'
import type { LiveCell } from './live-cell.ts'

/** Parameters and metrics that a case has beside those of every subject. */
export interface CaseAbout {
  readonly where: string
  readonly parameters: MeasuredCase['parameters']
  readonly metrics?: MeasuredCase['metrics']
}

/** The case of one subject; undefined without samples. */
export function subjectCase(
  bench: AttentionBench,
  { name, short, cache, subject, maxError }: LiveSubject,
  samples: readonly Sample[] | undefined,
  rate: Rate,
  { where, parameters, metrics = {} }: CaseAbout,
): MeasuredCase | undefined {
  if (!samples || samples.length === 0) return undefined
  const made = figures(samples, rate, bench.telemetry, bench.context.random)
  return {
    name: `${name}, ${where}`,
    parameters: { backend: short, cache: cacheLabel(cache), ...parameters },
    metrics: { ...made.metrics, ...metrics, workspaceBytes: subject.workspaceBytes },
    samples: made.samples,
    maxError,
  }
}

/** Records how much out of order the blocks of a cell's paged caches are. */
export function recordScatter(
  bench: AttentionBench,
  live: LiveCell,
  { where, parameters }: CaseAbout,
): void {
  for (const [cache, scatterShare] of live.scatters()) {
    bench.context.recorder.add({
      name: `scatter of ${cacheLabel(cache)}, ${where}`,
      parameters: { cache: cacheLabel(cache), ...parameters },
      metrics: { scatterShare },
    })
  }
}
