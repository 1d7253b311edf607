import { ratio, summarize, uniformPass, type Sample } from '../../harness/index.ts'
import type { AttentionBench } from '../attention/attention-bench.ts'
import { subjectCase } from '../attention/cell-cases.ts'
import type { LiveSubject } from '../attention/live-cell.ts'
import { taskRate, taskWork } from '../attention/task-work.ts'
import type { OverlapTask } from './overlap-task.ts'

/** A sample, and what was mapped beside it. */
export interface OverlapSample extends Sample {
  readonly mappedGbPerSecond: number
  readonly unmappedGbPerSecond: number
}

/** Records what attention took beside every mapping, as a part of what it took alone. */
export function recordOverlap(
  bench: AttentionBench,
  task: OverlapTask,
  one: LiveSubject,
  { quiet = [], ...beside }: Readonly<Record<string, readonly OverlapSample[]>>,
): void {
  const { device, recorder, random } = bench.context
  const { where, shape, sequences, query, tokens } = task
  const work = taskWork(task.task, shape, uniformPass(sequences, query, tokens))
  const rate = taskRate(task.task, device, work)
  const quietMs = quiet.map(({ ms }) => ms)
  for (const [mapping, samples] of Object.entries(beside)) {
    const ms = samples.map((each) => each.ms)
    const rates = (key: 'mappedGbPerSecond' | 'unmappedGbPerSecond') =>
      mapping === 'none'
        ? {}
        : {
            [key]: summarize(
              samples.map((each) => each[key]),
              random,
            ),
          }
    const made = subjectCase(bench, one, samples, rate, {
      where: `${where}, ${mapping === 'none' ? 'nothing beside it' : `beside ${mapping} mapping`}`,
      parameters: { shape: shape.name, task: task.task, sequences, tokens, mapping },
      metrics: {
        timeRatio: ratio(ms, quietMs, random),
        quietMs: summarize(quietMs, random),
        ...rates('mappedGbPerSecond'),
        ...rates('unmappedGbPerSecond'),
      },
    })
    if (made) recorder.add({ ...made, samples: { ...made.samples, quietMs } })
  }
}
