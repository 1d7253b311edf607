import type { MeasuredCase } from '../../result/index.ts'
import type { NamedCache, NamedShape, SuiteContext } from '../../suite/index.ts'
import {
  CountedCache,
  maxBatch,
  promptTokensOf,
  simulateMemory,
  staticBytesHeld,
  type FragmentationResult,
  type MemoryCache,
} from '../../traces/index.ts'
import type { ReplayedTrace } from '../memory/trace-options.ts'
import { checkAgainstCount } from './check.ts'
import { cacheShape, subjectOf } from './subjects.ts'

/** Points of a plot over time; the summary is of all steps. */
const mostSamples = 400

/** What is replayed, and against what. */
export interface Replay {
  readonly shape: NamedShape
  readonly caches: readonly NamedCache[]
  readonly trace: ReplayedTrace
  readonly limitBytes: number
  /** That may live at once: address space, or rows of tables. */
  readonly maxSequences: number
  readonly secondsPerStep: number
}

/** Replays one trace against every cache, with sharing where the trace knows of any, and without. */
export async function measureTrace(context: SuiteContext, replay: Replay): Promise<void> {
  const { device, recorder, signal } = context
  const { shape, caches, trace, limitBytes, maxSequences } = replay
  const room = { shape, maxSequences, maxLength: trace.longest, limitBytes }
  const knowsSharing = trace.trace.blockTokens !== undefined
  for (const cache of caches) {
    for (const sharing of knowsSharing ? [false, true] : [false]) {
      // Signals are heard between replays.
      await new Promise((done) => setImmediate(done))
      if (signal.aborted) return
      const name = `${trace.name}: ${cache.name}, sharing ${sharing ? 'on' : 'off'}`
      try {
        const subject = subjectOf(device.device, cache, room)
        if (!sharing && subject.held) {
          const wrong = await checkAgainstCount(context, replay, subject)
          if (wrong !== undefined) {
            recorder.refuse(name, wrong)
            continue
          }
        }
        const opened = subject.open(sharing)
        try {
          recordReplay(context, replay, { name, cache: cache.name, sharing }, opened)
        } finally {
          await opened.disposeAsync()
        }
      } catch (error) {
        recorder.skip(name, error)
      }
    }
  }
  const shapeOfAll = cacheShape(room)
  const counted = new CountedCache(shapeOfAll, limitBytes, staticBytesHeld(shapeOfAll))
  const about = { name: `${trace.name}: static reservation`, cache: 'static', sharing: false }
  recordReplay(context, replay, about, counted)
}

/** Replays a trace, then finds the largest batch of its requests. */
function recordReplay(
  { recorder, settings }: SuiteContext,
  { shape, trace, limitBytes, maxSequences, secondsPerStep }: Replay,
  { name, cache, sharing }: { name: string; cache: string; sharing: boolean },
  opened: MemoryCache,
): void {
  const { trace: rows } = trace
  const { seed } = settings
  const prompt = (row: number) => promptTokensOf(rows, row, { vocabularySize: 32_000, seed })
  const result = simulateMemory(opened, rows, {
    secondsPerStep,
    ...(sharing && { promptTokens: prompt }),
  })
  const parameters = { trace: trace.name, cache, sharing, shape: shape.name }
  recorder.add({
    name,
    parameters: { part: 'trace', ...parameters },
    metrics: metricsOf(result),
    samples: samplesOf(result),
  })
  // Requests as they end, again and again until no more fit.
  const lengths = rows.requests.map((one) => one.promptTokens + one.outputTokens - 1)
  const repeated = Array.from({ length: maxSequences + 1 }, (_, i) => lengths[i % lengths.length]!)
  const batch = maxBatch(
    opened,
    repeated,
    sharing ? (index) => prompt(index % lengths.length) : undefined,
  )
  recorder.add({
    name: `${name}, largest batch`,
    parameters: { part: 'max-batch', ...parameters, limitedBy: batch.limitedBy },
    metrics: {
      sequencesCount: batch.sequences,
      heldTokens: batch.tokens,
      mappedBytes: batch.mappedBytes,
      usedBytes: batch.usedBytes,
      usedShare: batch.usedBytes / batch.mappedBytes,
      limitBytes,
    },
  })
}

function metricsOf(result: FragmentationResult): MeasuredCase['metrics'] {
  const { summary, stats, samples } = result
  const last = samples.at(-1)
  return {
    mappedUseShare: summary.mappedUse,
    neededUseShare: summary.neededUse,
    staticUseShare: summary.staticUse,
    meanLiveCount: summary.meanLive,
    peakLiveCount: summary.peakLive,
    peakMappedBytes: summary.peakMappedBytes,
    peakUsedBytes: summary.peakUsedBytes,
    peakStaticBytes: summary.peakStaticBytes,
    reservedBytes: last?.reservedBytes ?? null,
    completedCount: result.completed,
    preemptionsCount: result.preemptions,
    tooLongCount: result.tooLong.length,
    stepsCount: result.steps,
    prefixHitTokens: stats.prefixHitTokens,
    copiedBytes: stats.copiedBytes,
  }
}

/** Columns over the simulated time, thinned evenly. */
function samplesOf({ samples }: FragmentationResult): Record<string, number[]> {
  const every = Math.ceil(samples.length / mostSamples)
  const kept = samples.filter((_, i) => i % every === 0)
  return {
    seconds: kept.map(({ seconds }) => seconds),
    liveCount: kept.map(({ liveSequences }) => liveSequences),
    totalBytes: kept.map(({ totalBytes }) => totalBytes),
    mappedBytes: kept.map(({ mappedBytes }) => mappedBytes),
    neededBytes: kept.map(({ neededBytes }) => neededBytes),
    usedBytes: kept.map(({ usedBytes }) => usedBytes),
    sharedBytes: kept.map(({ sharedBytes }) => sharedBytes),
    retainedBytes: kept.map(({ retainedBytes }) => retainedBytes),
    staticBytes: kept.map(({ staticBytes }) => staticBytes),
  }
}
