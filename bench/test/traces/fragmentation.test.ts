import { ContiguousKvCache } from '@vattention/core'
import type { ContiguousCacheOptions, KvCache, PagedCacheOptions } from '@vattention/interface'
import { PagedKvCache } from '@vattention/paged-attention'
import { describe, expect, it } from 'vitest'

import {
  bytesPerToken,
  generateTrace,
  maxBatch,
  promptTokensOf,
  scaleTrace,
  simulateMemory,
  staticBytesPerSequence,
  staticMaxBatch,
  type Trace,
} from '../../src/traces/index.ts'
import { code, thrownBy, traceOf } from './support/traces.ts'

const pageBytes = 65536

/** A token takes 4 KiB: 16 to a page interleaved, 64 to each of four pages split. */
const shape = {
  layers: 2,
  kvHeads: 4,
  headDim: 64,
  dtype: 'float32',
  maxSequences: 32,
  maxLength: 512,
} as const
const tokenBytes = 4096
const limitBytes = 2 ** 24

const contiguous = (options: Partial<ContiguousCacheOptions> = {}) =>
  new ContiguousKvCache({
    ...shape,
    limitBytes,
    layout: 'interleaved',
    pageBytes: [pageBytes],
    mapAhead: false,
    ...options,
  })
const paged = (options: Partial<PagedCacheOptions> = {}) =>
  new PagedKvCache({ ...shape, limitBytes, blockTokens: 16, ...options })

const caches: [string, (options?: { limitBytes?: number }) => KvCache & { check(): void }][] = [
  ['contiguous', contiguous],
  ['paged', paged],
]

describe.each(caches)('simulateMemory over a %s cache', (kind, make) => {
  it('counts every byte of a request that grows alone', () => {
    using cache = make()
    const trace = traceOf([{ promptTokens: 15, outputTokens: 4 }])
    const { samples, completed, steps, summary, admissions } = simulateMemory(cache, trace, {
      secondsPerStep: 0.5,
    })
    // 15 tokens after the prompt, one more with each of the next three; the fourth is never stored.
    expect(samples.map(({ usedBytes }) => usedBytes / tokenBytes)).toEqual([15, 16, 17, 18])
    expect(samples.map(({ neededBytes }) => neededBytes / pageBytes)).toEqual([1, 1, 2, 2])
    expect(samples.map(({ seconds }) => seconds)).toEqual([0, 0.5, 1, 1.5])
    expect(samples.every(({ staticBytes }) => staticBytes === 512 * tokenBytes)).toBe(true)
    expect({ completed, steps }).toEqual({ completed: 1, steps: 4 })
    expect(summary.peakMappedBytes).toBe(2 * pageBytes)
    expect(summary.neededUse).toBeCloseTo((15 / 16 + 1 + 17 / 32 + 18 / 32) / 4, 12)
    expect(summary.staticUse).toBeCloseTo((15 + 16 + 17 + 18) / 4 / 512, 12)
    expect(admissions).toEqual([{ row: 0, tokens: 15, sharedTokens: 0, seconds: null }])
    expect(cache.stats().liveSequences).toBe(0)
  })

  it('lets requests live together as their arrivals and the time of a step have it', () => {
    const trace = traceOf(
      [0, 1, 100].map((arrivalSeconds) => ({ arrivalSeconds, promptTokens: 4, outputTokens: 4 })),
    )
    const live = (secondsPerStep: number) => {
      using cache = make()
      const { samples } = simulateMemory(cache, trace, { secondsPerStep })
      return samples.map(({ liveSequences }) => liveSequences)
    }
    expect(live(0.5)).toEqual([1, 1, 2, 2, 1, 1, 1, 1, 1, 1])
    expect(live(0.1)).toEqual(new Array(12).fill(1))
  })

  it('preempts the youngest when memory ends, and completes everything', () => {
    using cache = make({ limitBytes: 8 * pageBytes })
    const trace = traceOf(Array.from({ length: 6 }, () => ({ promptTokens: 30, outputTokens: 40 })))
    const result = simulateMemory(cache, trace, { secondsPerStep: 1 })
    expect(result.completed).toBe(6)
    expect(result.preemptions).toBeGreaterThan(0)
    expect(result.admissions.length).toBe(6 + result.preemptions)
    expect(result.samples.every(({ mappedBytes }) => mappedBytes <= 8 * pageBytes)).toBe(true)
    // First come, first served: row 0 is never preempted.
    expect(result.admissions.filter(({ row }) => row === 0)).toHaveLength(1)
    // A preempted one comes back with what it had generated.
    expect(result.admissions.some(({ tokens }) => tokens > 30)).toBe(true)
    cache.check()
  })

  it('passes over what can never fit, and tells which', () => {
    using cache = make({ limitBytes: 4 * pageBytes })
    const trace = traceOf([
      { promptTokens: 10, outputTokens: 1 },
      { promptTokens: 600, outputTokens: 1 }, // beyond maxLength
      { promptTokens: 65, outputTokens: 1 }, // beyond all memory at once
      { promptTokens: 60, outputTokens: 30 }, // beyond it while growing
      { promptTokens: 10, outputTokens: 1 },
    ])
    const { completed, tooLong } = simulateMemory(cache, trace, { secondsPerStep: 1, maxLive: 1 })
    expect(completed).toBe(2)
    expect([...tooLong].sort()).toEqual([1, 2, 3])
    cache.check()
  })

  it('shares what prompts have in common, only when asked to', () => {
    const { trace } = scaleTrace(
      generateTrace('mooncake-conversation', { requests: 60, seed: 3 }),
      {
        lengthDivisor: 32,
        maxTotalTokens: shape.maxLength,
        rateFactor: 1,
      },
    )
    const promptTokens = (row: number) => promptTokensOf(trace, row, { vocabularySize: 5000 })
    const run = (options: object) => {
      using cache = make()
      const result = simulateMemory(cache, trace, { secondsPerStep: 0.5, ...options })
      cache.check()
      return result
    }
    const [shared, alone] = [run({ promptTokens }), run({})]
    expect(shared.completed).toBe(trace.requests.length)
    expect(alone.stats.prefixHitTokens).toBe(0)
    const hits = shared.admissions.reduce((sum, { sharedTokens }) => sum + sharedTokens, 0)
    expect(shared.stats.prefixHitTokens).toBe(hits)
    // Block 0 opens every prompt: all but the first request find its 16 tokens at least.
    expect(shared.admissions.filter(({ sharedTokens }) => sharedTokens >= 15).length).toBe(
      trace.requests.length - 1,
    )
    expect(shared.summary.peakUsedBytes).toBeLessThan(alone.summary.peakUsedBytes)
    expect(shared.samples.some(({ sharedBytes }) => sharedBytes > 0)).toBe(true)
    expect(alone.samples.every(({ sharedBytes }) => sharedBytes === 0)).toBe(true)
  })

  it('takes samples and times as asked for, by the given clock', () => {
    using cache = make()
    let now = 0
    const trace = traceOf([{ promptTokens: 5, outputTokens: 10 }])
    const { samples, admissions } = simulateMemory(cache, trace, {
      secondsPerStep: 1,
      stepsPerSample: 4,
      clock: () => (now += 0.25),
    })
    expect(samples.map(({ seconds }) => seconds)).toEqual([0, 4, 8])
    expect(admissions[0]!.seconds).toBe(0.25)
  })

  it('refuses options that would never end', () => {
    using cache = make()
    const trace = traceOf([{ promptTokens: 5, outputTokens: 10 }])
    for (const options of [
      { secondsPerStep: 0 },
      { secondsPerStep: 1, maxLive: 0 },
      { secondsPerStep: 1, stepsPerSample: Number.NaN },
    ]) {
      const error = thrownBy(() => simulateMemory(cache, trace, options))
      expect(error).toMatchObject(code('TRACE_SCALE'))
    }
  })

  it('fills up to the last sequence that fits', () => {
    using cache = make()
    const pages = limitBytes / pageBytes // 256 of 16 tokens
    const lengths = (length: number) => new Array<number>(100).fill(length)
    expect(maxBatch(cache, lengths(17 * 16))).toMatchObject({
      sequences: Math.floor(pages / 17),
      limitedBy: 'memory',
      mappedBytes: 15 * 17 * pageBytes,
      usedBytes: 15 * 17 * pageBytes,
    })
    expect(maxBatch(cache, lengths(1))).toMatchObject({ sequences: 32, limitedBy: 'slots' })
    expect(maxBatch(cache, [100, 200])).toMatchObject({ tokens: 300, limitedBy: 'lengths' })
    expect(cache.stats().liveSequences).toBe(0)
    expect(cache.kind).toBe(kind)
  })

  it('fits more sequences that begin alike', () => {
    using cache = make()
    const common = Uint32Array.from({ length: 256 }, (_, i) => i)
    const lengths = new Array<number>(30).fill(18 * 16)
    const alone = maxBatch(cache, lengths)
    const shared = maxBatch(cache, lengths, () => common)
    expect(alone.sequences).toBe(14)
    expect(shared.sequences).toBe(30)
    expect(shared.usedBytes).toBeLessThan(shared.tokens * tokenBytes)
  })
})

describe('granularity', () => {
  const trace = (): Trace =>
    scaleTrace(generateTrace('azure-2023-conv', { requests: 60, seed: 1 }), { lengthDivisor: 32 })
      .trace
  const neededUse = (cache: KvCache & Disposable) => {
    using held = cache
    return simulateMemory(held, trace(), { secondsPerStep: 0.2 }).summary.neededUse!
  }

  it('costs more with larger pages and blocks, and static reservation most', () => {
    const small = neededUse(contiguous())
    const large = neededUse(contiguous({ pageBytes: [4 * pageBytes] }))
    const [fine, coarse] = [neededUse(paged()), neededUse(paged({ blockTokens: 64 }))]
    expect(large).toBeLessThan(small)
    expect(coarse).toBeLessThan(fine)
    // The same granule of 16 tokens wastes the same, however it is addressed.
    expect(small).toBeCloseTo(fine, 12)
    using cache = contiguous()
    const { summary } = simulateMemory(cache, trace(), { secondsPerStep: 0.2 })
    expect(summary.staticUse!).toBeLessThan(large)
  })

  it('of static reservation is computed from the shape', () => {
    using cache = contiguous()
    expect(bytesPerToken(cache.shape)).toBe(tokenBytes)
    expect(staticBytesPerSequence(cache.shape)).toBe(512 * tokenBytes)
    expect(staticMaxBatch(cache.shape, limitBytes)).toBe(8)
    expect(staticMaxBatch(cache.shape, 2 ** 40)).toBe(32) // slots
    expect(thrownBy(() => staticMaxBatch(cache.shape, Number.NaN))).toMatchObject(
      code('TRACE_SCALE'),
    )
  })
})
