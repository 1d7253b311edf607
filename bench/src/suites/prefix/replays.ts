import { interleave, latencies } from '../../harness/index.ts'
import {
  tokenBytes,
  type NamedCache,
  type NamedShape,
  type SuiteContext,
} from '../../suite/index.ts'
import {
  prefixCeiling,
  promptTokensOf,
  simulateMemory,
  type FragmentationResult,
  type Trace,
} from '../../traces/index.ts'
import { openCache } from '../memory/open-cache.ts'
import type { ReplayedTrace } from '../memory/trace-options.ts'

/** Sequences that may live at once. */
const maxSequences = 256

/** One trace, so much memory. */
export interface Prefixes {
  readonly shape: NamedShape
  readonly caches: readonly NamedCache[]
  readonly trace: ReplayedTrace
  /** Of what all tokens of the trace take. */
  readonly memoryShare: number
  readonly rounds: number
  readonly secondsPerStep: number
  readonly budgetMs: number
}

/** A cache with sharing, or the same without. */
interface Subject {
  readonly name: string
  readonly cache: NamedCache
  readonly sharing: boolean
}

/** Replays a trace with shared beginnings against every cache, in rounds, and records what they found. */
export async function measurePrefixes(context: SuiteContext, about: Prefixes): Promise<void> {
  const { device, recorder, clock, random, signal, settings } = context
  const { shape, caches, trace, memoryShare, budgetMs } = about
  const where = `${trace.name}, memory for ${memoryShare} of it`
  if (trace.trace.blockTokens === undefined) {
    recorder.skip(where, 'the trace does not say which prompts begin alike')
    return
  }
  const all = totalTokens(trace.trace) * tokenBytes(shape)
  const limitBytes = Math.floor(memoryShare * all)
  if (limitBytes > 0.6 * device.freeBytes()) {
    recorder.skip(where, `${limitBytes} bytes are more than 0.6 of what is free`)
    return
  }
  // Made once: how prompts are read is not what is measured.
  const prompts = trace.trace.requests.map((_, row) =>
    promptTokensOf(trace.trace, row, { vocabularySize: 32_000, seed: settings.seed }),
  )
  const found = await interleave<FragmentationResult, FragmentationResult>({
    subjects: Object.fromEntries(subjectsOf(caches).map((one) => [one.name, () => replay(one)])),
    collect: (_, result) => result,
    most: about.rounds,
    least: 1,
    budgetMs,
    ...{ clock, random, signal },
  })
  for (const one of subjectsOf(caches)) record(context, about, one, limitBytes, found[one.name]!)

  async function replay({ cache, sharing }: Subject): Promise<FragmentationResult> {
    await new Promise((done) => setImmediate(done))
    const room = { shape, maxSequences, maxLength: trace.longest, limitBytes }
    const opened = openCache(device.device, { ...room, cache, prefixCache: sharing })
    try {
      return simulateMemory(opened, trace.trace, {
        secondsPerStep: about.secondsPerStep,
        clock: () => clock.now() / 1000,
        ...(sharing && { promptTokens: (row) => prompts[row]! }),
      })
    } finally {
      await opened.disposeAsync()
    }
  }
}

const subjectsOf = (caches: readonly NamedCache[]): Subject[] =>
  caches.flatMap((cache) =>
    [true, false].map((sharing) => ({
      name: `${cache.name}, sharing ${sharing ? 'on' : 'off'}`,
      cache,
      sharing,
    })),
  )

const totalTokens = ({ requests }: Trace): number =>
  requests.reduce((sum, one) => sum + one.promptTokens + one.outputTokens, 0)

function record(
  { recorder }: SuiteContext,
  { shape, trace, memoryShare }: Prefixes,
  { name, cache, sharing }: Subject,
  limitBytes: number,
  rounds: readonly FragmentationResult[],
): void {
  const last = rounds.at(-1)
  if (last === undefined) return
  const admitted = rounds.flatMap((one) => firstAdmissions(one))
  const hits = firstAdmissions(last)
  const sum = (values: readonly number[]) => values.reduce((total, one) => total + one, 0)
  const promptTokens = sum(hits.map(({ tokens }) => tokens))
  const hitTokens = sum(hits.map(({ sharedTokens }) => sharedTokens))
  const microseconds = (of: (one: { sharedTokens: number }) => boolean) =>
    admitted.filter(of).map(({ seconds }) => seconds! * 1e6)
  const found = microseconds(({ sharedTokens }) => sharedTokens > 0)
  const unlimited = prefixCeiling(trace.trace)
  const cacheTokens = limitBytes / tokenBytes(shape)
  const { stats } = last
  recorder.add({
    name: `${trace.name}, memory for ${memoryShare} of it: ${name}`,
    parameters: {
      part: 'prefix',
      ...{ trace: trace.name, cache: cache.name, sharing, memoryShare, shape: shape.name },
    },
    metrics: {
      tokenHitShare: hitTokens / promptTokens,
      ceilingShare: unlimited.tokenRate,
      ceilingInMemoryShare: prefixCeiling(trace.trace, { cacheTokens }).tokenRate,
      ofCeilingHitShare: hitTokens / promptTokens / unlimited.tokenRate,
      hitTokens,
      promptTokens,
      requestsThatHitShare:
        hits.filter(({ sharedTokens }) => sharedTokens > 0).length / hits.length,
      admitUs: latencies(microseconds(() => true)),
      ...(found.length > 0 && { admitHitUs: latencies(found) }),
      admitMissUs: latencies(microseconds(({ sharedTokens }) => sharedTokens === 0)),
      copiedBytes: stats.copiedBytes,
      copiedTokens: stats.copiedTokens,
      aliasedTokens: stats.aliasedTokens,
      zeroedBytes: stats.zeroedBytes,
      evictionsCount: stats.evictions,
      preemptionsCount: last.preemptions,
      peakMappedBytes: last.summary.peakMappedBytes,
      limitBytes,
      roundsCount: rounds.length,
    },
    samples: {
      admitUs: hits.map(({ seconds }) => seconds! * 1e6),
      promptTokens: hits.map(({ tokens }) => tokens),
      hitTokens: hits.map(({ sharedTokens }) => sharedTokens),
    },
  })
}

/** Of each request the first: a preempted one finds its own tokens when it comes back. */
function firstAdmissions({ admissions }: FragmentationResult) {
  const seen = new Set<number>()
  return admissions.filter(({ row }) => !seen.has(row) && seen.add(row))
}
