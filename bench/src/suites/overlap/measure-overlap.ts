import { setTimeout as sleep } from 'node:timers/promises'

import { interleave, launchesFor, uniformPass, type AttentionPass } from '../../harness/index.ts'
import type { RoundCounts } from '../attention/attention-cell.ts'
import type { AttentionBench, Pairing } from '../attention/attention-bench.ts'
import { LiveCell, type LiveSubject } from '../attention/live-cell.ts'
import { rotationOf } from '../attention/rotation.ts'
import { taskWork } from '../attention/task-work.ts'
import { backgroundAttention } from './background-attention.ts'
import type { OpenChurn } from './churn.ts'
import type { Mapping } from './mappings.ts'
import type { OverlapTask } from './overlap-task.ts'
import { recordOverlap, type OverlapSample } from './record.ts'

/** Layers that launches rotate through at most. */
const mostLayers = 8

/** Of a sample: a stream takes in so many without making the calling thread wait. */
const mostLaunches = { gpu: 512, cpu: 65_536 }

/** How it is measured. */
export interface OverlapSettings {
  readonly mappings: readonly Mapping[]
  readonly rounds: RoundCounts
  /** Of a sample: several turns of the slower mapping. */
  readonly sampleMs: number
  readonly openChurn: OpenChurn
}

/** Measures one task alone and beside every mapping, kernel by kernel, and records the ratios. */
export async function measureOverlap(
  bench: AttentionBench,
  task: OverlapTask,
  pairings: readonly Pairing[],
  settings: OverlapSettings,
  budgetMs: number,
): Promise<void> {
  const { where, shape, sequences, query, tokens } = task
  const { rounds, sampleMs } = settings
  const { device } = bench.context
  const pass = uniformPass(sequences, query, tokens)
  const live = await LiveCell.open(
    bench,
    {
      ...{ where, shape, pairings, sequences, pass },
      length: tokens,
      rotation: rotationOf(device, shape, sequences * tokens, mostLayers),
      workOf: (of) => taskWork(task.task, shape, of),
      pace: `${shape.name} ${task.task}`,
      leastMs: sampleMs,
    },
    rounds,
    budgetMs,
  )
  if (!live) return
  try {
    for (const one of live.subjects) {
      const of = { ...settings, live, pass, budgetMs: budgetMs / live.subjects.length }
      recordOverlap(bench, task, one, await samplesOf(bench, one, task, of))
    }
  } finally {
    await live.close()
  }
}

interface Measured extends OverlapSettings {
  readonly live: LiveCell
  readonly pass: AttentionPass
  readonly budgetMs: number
}

/** Samples of a subject by what was beside it; those of it alone under `quiet`. */
async function samplesOf(
  bench: AttentionBench,
  one: LiveSubject,
  { where, shape }: OverlapTask,
  { live, pass, mappings, rounds, sampleMs, budgetMs, openChurn }: Measured,
): Promise<Record<string, OverlapSample[]>> {
  const { device, clock, random, signal, recorder, glance } = bench.context
  const most = mostLaunches[device.isGpu ? 'gpu' : 'cpu']
  const launches = launchesFor(one.launchMs, sampleMs, most)
  const churn = openChurn(bench.context, shape)
  try {
    using attention = backgroundAttention(device, live, one, pass)
    const sample = async (gbPerSecond: number): Promise<OverlapSample> => {
      const before = churn.bytes()
      let begun = clock.now()
      try {
        const timed = await attention.time(launches, () => {
          begun = clock.now()
          if (gbPerSecond > 0) churn.start(gbPerSecond)
        })
        // What is mapped behind the last launch does not count.
        const after = churn.bytes()
        const bytesPerGbPerSecond = (clock.now() - begun) * 1e6
        return {
          ...timed,
          mappedGbPerSecond: (after.mapped - before.mapped) / bytesPerGbPerSecond,
          unmappedGbPerSecond: (after.unmapped - before.unmapped) / bytesPerGbPerSecond,
        }
      } finally {
        await churn.stop()
      }
    }
    const samples = await interleave({
      subjects: Object.fromEntries([
        ['quiet', () => sample(0)],
        ...mappings.map(({ name, gbPerSecond }): [string, () => Promise<OverlapSample>] => [
          name,
          () => sample(gbPerSecond),
        ]),
      ]),
      collect: (_, of) => of,
      ...{ ...rounds, budgetMs, clock, random, signal, glance },
    })
    if (signal.aborted && Object.values(samples).every(({ length }) => length === 0)) {
      recorder.skip(where, 'interrupted before its first round')
    }
    // Readings of clocks are written a moment later.
    if (device.isGpu) await sleep(150)
    bench.telemetry.read()
    return samples
  } finally {
    await device.synchronize()
    await churn.dispose()
  }
}
