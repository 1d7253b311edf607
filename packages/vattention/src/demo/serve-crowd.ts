import { setTimeout as sleep } from 'node:timers/promises'
import type { Generation, GenerationResult } from '@vattention/engine'
import type { CacheStats } from '@vattention/interface'

import type { Session } from '../session.ts'
import { percentile } from './percentile.ts'
import type { MemorySample } from './memory-plot.ts'
import type { DemoRequest } from './requests.ts'

/** What a crowd is served with. */
export interface CrowdOptions {
  /** For samples and the table: which cache this is. */
  readonly name: string
  readonly systemPrompt: string
  readonly requests: readonly DemoRequest[]
  /** When each request arrives, in milliseconds after the start. */
  readonly arrivalsMs: readonly number[]
  readonly signal: AbortSignal
  /** Called with each generation as its request arrives. */
  readonly onStart?: (index: number, generation: Generation) => void
  readonly onFinish?: (finished: number) => void
}

/** What came of it. */
export interface CrowdReport {
  readonly name: string
  readonly backend: string
  readonly results: readonly GenerationResult[]
  readonly seconds: number
  readonly outputTokens: number
  readonly promptTokens: number
  readonly cachedTokens: number
  readonly tokensPerSecond: number
  readonly firstTokenMs: Quantiles
  readonly interTokenMs: Quantiles
  readonly preemptions: number
  /** When `usedBytes` was at its highest. */
  readonly peak: MemorySample & { readonly neededBytes: number; readonly liveSequences: number }
  readonly stats: CacheStats
  readonly samples: readonly MemorySample[]
}

/** Median and 99th percentile, in the unit of the samples. */
export interface Quantiles {
  readonly p50: number
  readonly p99: number
}

const sampleEveryMs = 50

/** Sends the requests as they arrive, samples memory meanwhile, and waits for all answers. */
export async function serveCrowd(
  { engine, cache, backend }: Session,
  options: CrowdOptions,
): Promise<CrowdReport> {
  const { name, requests, arrivalsMs, signal } = options
  const started = performance.now()
  const samples: (MemorySample & { neededBytes: number; liveSequences: number })[] = []
  const sample = () => {
    const { totalBytes, mappedBytes, usedBytes, neededBytes, liveSequences } = cache.stats()
    const ms = performance.now() - started
    samples.push({
      cache: name,
      ms,
      totalBytes,
      mappedBytes,
      usedBytes,
      neededBytes,
      liveSequences,
    })
  }
  sample()
  const timer = setInterval(sample, sampleEveryMs)
  let finished = 0
  try {
    const results = await Promise.all(
      requests.map(async ({ question, maxTokens }, i) => {
        const wait = arrivalsMs[i]! - (performance.now() - started)
        if (wait > 0) await sleep(wait, undefined, { signal })
        const generation = engine.generate({
          messages: [
            { role: 'system', content: options.systemPrompt },
            { role: 'user', content: question },
          ],
          maxTokens,
          temperature: 0,
          signal,
        })
        options.onStart?.(i, generation)
        const result = await generation.result
        options.onFinish?.(++finished)
        return result
      }),
    )
    const seconds = (performance.now() - started) / 1000
    await engine.idle()
    sample()
    return summarise(
      options,
      { results, seconds, samples },
      backend.name,
      cache.stats(),
      engine.metrics().preemptions,
    )
  } finally {
    clearInterval(timer)
  }
}

function summarise(
  { name }: CrowdOptions,
  run: { results: GenerationResult[]; seconds: number; samples: CrowdReport['peak'][] },
  backend: string,
  stats: CacheStats,
  preemptions: number,
): CrowdReport {
  const { results, seconds, samples } = run
  const sum = (of: (result: GenerationResult) => number) =>
    results.reduce((total, one) => total + of(one), 0)
  const outputTokens = sum(({ usage }) => usage.completionTokens)
  const quantiles = (values: readonly number[]): Quantiles => ({
    p50: percentile(values, 0.5),
    p99: percentile(values, 0.99),
  })
  return {
    ...{ name, backend, results, seconds, samples, stats, preemptions, outputTokens },
    promptTokens: sum(({ usage }) => usage.promptTokens),
    cachedTokens: sum(({ usage }) => usage.cachedTokens),
    tokensPerSecond: outputTokens / seconds,
    firstTokenMs: quantiles(results.map(({ timings }) => timings.firstTokenMs)),
    interTokenMs: quantiles(results.flatMap(({ timings }) => [...timings.interTokenMs])),
    peak: samples.reduce((most, one) => (one.usedBytes > most.usedBytes ? one : most)),
  }
}
