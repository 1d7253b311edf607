import { availableParallelism } from 'node:os'

import { Option } from 'commander'

import { openBackends, type OpenBackends } from '../harness/index.ts'
import { namedCache, namedShape, type NamedShape, type Suite } from '../suite/index.ts'
import { AttentionBench, type Pairing } from './attention/attention-bench.ts'
import { batchLabel, batchOf, type Batch } from './attention/batch-values.ts'
import { tokensLabel } from './attention/cache-label.ts'
import { decodeBatchesOption, promptLengthsOption, threadsOption } from './attention/options.ts'
import { attentionProtocol, attentionWorkload } from './attention/protocol.ts'
import { guarded } from './memory/guarded.ts'
import { positive } from './option-values.ts'
import { overlapBars } from './overlap/bars.ts'
import { openChurn, type OpenChurn } from './overlap/churn.ts'
import { mappingsOf, ownDemand } from './overlap/mappings.ts'
import { measureOverlap } from './overlap/measure-overlap.ts'
import type { OverlapTask } from './overlap/overlap-task.ts'

/** What is measured when nothing is said. */
const defaults = {
  gpu: {
    full: { batches: ['16x16384'], lengths: [16_384], sampleMs: 120 },
    quick: { batches: ['16x4096'], lengths: [8192], sampleMs: 60 },
    cache: 'interleaved',
  },
  cpu: {
    full: { batches: ['4x2048'], lengths: [1024], sampleMs: 200 },
    quick: { batches: ['4x512'], lengths: [256], sampleMs: 100 },
    cache: 'split',
  },
}

/** Backends that nobody asked for are left out: the first that serves a cache is measured. */
const firstOfCache = (pairings: readonly Pairing[]) =>
  pairings.filter((one) => one === pairings.find(({ cache }) => cache === one.cache))

/**
 * @param open Where the backends come from; tests give theirs.
 * @param churn What maps beside them.
 */
export const makeOverlap = (
  open: OpenBackends = openBackends,
  churn: OpenChurn = openChurn,
): Suite => ({
  name: 'overlap',
  kind: 'memory',
  summary:
    'Attention beside a mapper that maps and unmaps for other sequences: at several times the demand of a model, and as fast as it goes.',
  options: () => [
    decodeBatchesOption(),
    promptLengthsOption('16384'),
    new Option('--demand <rate>', 'GB/s of new keys and values beside attention').argParser(
      positive,
    ),
    threadsOption(),
  ],
  budgetSeconds: { full: 120, quick: 15 },
  async open(context) {
    const { device, settings, options } = context
    const { quick } = settings
    const own = defaults[device.isGpu ? 'gpu' : 'cpu']
    const { sampleMs, ...ownTasks } = own[quick ? 'quick' : 'full']
    const shapes = settings.shapes ?? [namedShape('llama-3-8b')]
    const caches = settings.caches ?? [namedCache(own.cache)]
    const threads = options.threads as number | undefined
    const batches = (options.batches as Batch[] | undefined) ?? ownTasks.batches.map(batchOf)
    const lengths = (options.lengths as number[] | undefined) ?? ownTasks.lengths
    const demand = (options.demand as number | undefined) ?? ownDemand(device.isGpu)
    const measured = {
      mappings: mappingsOf(demand),
      rounds: quick ? { most: 5, least: 3, warmUp: 1 } : { most: 100, least: 10, warmUp: 1 },
      sampleMs,
      openChurn: churn,
    }
    const bench = await AttentionBench.open(context, open, threads)
    const tasks = (shape: NamedShape): OverlapTask[] =>
      [
        ...batches.map((batch) => ({
          ...{ ...batch, task: 'decode' as const, query: 1, shape },
          where: `decode of ${batchLabel(batch)}`,
        })),
        ...lengths.map((tokens) => ({
          ...{ task: 'prefill' as const, sequences: 1, query: tokens, tokens, shape },
          where: `prefill of ${tokensLabel(tokens)} tokens`,
        })),
      ].map((one) => ({
        ...one,
        where: shapes.length > 1 ? `${shape.name}, ${one.where}` : one.where,
      }))
    return {
      protocol: {
        ...attentionProtocol(context, sampleMs, threads),
        beside:
          'shuffled in every round: nothing, nothing once more (none), a mapper at the demand, a mapper as fast as it goes (unthrottled); ratios to nothing within rounds',
        mapper:
          'of a cache of its own in the same process: a sequence begins, pages of the smallest class are mapped ahead for it and zeroed, it ends, and they are unmapped',
        demandGbPerSecond: demand,
        ...(device.isGpu
          ? { timer: 'CUDA events on the launch stream; the host waits without being blocked' }
          : {
              timer:
                'the host, from the first launch to when it hears of the last; off this thread',
              cores: `${availableParallelism()}: the mapper and the calls around it take their time from those that attention computes with`,
            }),
      },
      workload: {
        ...attentionWorkload(shapes),
        batches: batches.map((one) => ({ ...one })),
        lengths: [...lengths],
        caches: caches.map(({ name }) => name),
      },
      cells: shapes.flatMap((shape) => {
        const served = bench.pairings(shape, caches, ['prefill', 'decode'])
        const pairings = settings.backends ? served : firstOfCache(served)
        return tasks(shape).map((one) =>
          guarded(context, {
            name: one.where,
            measure: (budgetMs: number) => measureOverlap(bench, one, pairings, measured, budgetMs),
          }),
        )
      }),
      conclude: () => overlapBars(context),
      close: () => bench[Symbol.dispose](),
    }
  },
})

/** What mapping costs the attention beside it. */
export const overlap = makeOverlap()
