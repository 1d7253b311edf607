import { describe, expect, it } from 'vitest'

import { Histogram } from '../../src/engine/histogram.ts'
import { randomPrompt, recordEngine } from '../support/record-engine.ts'

describe('metrics', () => {
  it('counts requests, tokens and passes', async () => {
    const { engine, model, eventsOf } = recordEngine({ maxBatchTokens: 64 })
    const requests = [50, 80, 20].map((length, i) =>
      engine.generate({ tokens: randomPrompt(i, length), maxTokens: 10, id: `request ${i}` }),
    )
    await Promise.all(requests.map(({ result }) => result))
    await engine.idle()
    const metrics = engine.metrics()
    expect(metrics).toMatchObject({
      running: 0,
      waiting: 0,
      submitted: 3,
      finished: { stop: 0, length: 3, cancelled: 0 },
      failed: 0,
      promptTokens: 150,
      cachedTokens: 0,
      generatedTokens: 30,
      passes: model.batches.length,
    })
    expect(metrics.firstTokenMs.count).toBe(3)
    expect(metrics.interTokenMs.count).toBe(27)
    expect(metrics.totalMs.count).toBe(3)
    expect(metrics.queuedMs.count).toBe(3)
    expect(metrics.forwardMs.count).toBe(metrics.passes)
    const passes = eventsOf('pass')
    expect(passes.reduce((sum, { prefillTokens }) => sum + prefillTokens, 0)).toBe(150)
    expect(passes.reduce((sum, { decodeTokens }) => sum + decodeTokens, 0)).toBe(27)
    expect(
      eventsOf('finished')
        .map(({ id }) => id)
        .sort(),
    ).toEqual(['request 0', 'request 1', 'request 2'])
  })

  it('reports timings, logprobs and the seed of a request', async () => {
    const { engine } = recordEngine()
    const generation = engine.generate({ tokens: [1, 2, 3], maxTokens: 4, logprobs: 2 })
    const streamed: unknown[] = []
    for await (const { logprobs = [] } of generation) streamed.push(...logprobs)
    const { timings, logprobs, tokens, seed } = await generation.result
    expect(timings.interTokenMs).toHaveLength(3)
    expect(timings.queuedMs).toBeLessThanOrEqual(timings.firstTokenMs)
    expect(timings.firstTokenMs).toBeLessThanOrEqual(timings.totalMs)
    expect(logprobs!.map(({ token }) => token)).toEqual([...tokens])
    expect(logprobs![0]).toEqual({
      token: tokens[0],
      logprob: -1,
      margin: 1,
      top: [
        { token: 0, logprob: -1 },
        { token: 1, logprob: -2 },
      ],
    })
    expect(streamed).toEqual(logprobs)
    expect(Number.isInteger(seed)).toBe(true)
  })
})

describe('Histogram', () => {
  it('estimates quantiles from above, by less than a fifth', () => {
    const histogram = new Histogram()
    for (let i = 1; i <= 1000; i++) histogram.add(i)
    const { count, sum, max, p50, p90, p99 } = histogram.snapshot()
    expect({ count, sum, max }).toEqual({ count: 1000, sum: 500500, max: 1000 })
    for (const [estimate, truth] of [
      [p50, 500],
      [p90, 900],
      [p99, 990],
    ] as const) {
      expect(estimate).toBeGreaterThanOrEqual(truth)
      expect(estimate).toBeLessThan(truth * 1.19)
    }
  })

  it('takes the smallest and the largest in', () => {
    const histogram = new Histogram()
    expect(histogram.snapshot()).toMatchObject({ count: 0, p50: 0, buckets: [] })
    histogram.add(0)
    histogram.add(1e9)
    expect(histogram.snapshot().buckets).toEqual([
      { le: 0.01, count: 1 },
      { le: Infinity, count: 1 },
    ])
    expect(histogram.quantile(1)).toBe(1e9)
  })
})
