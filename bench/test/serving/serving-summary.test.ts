import { describe, expect, it } from 'vitest'

import {
  capacityOf,
  distributionOf,
  mlperfServiceLevels,
  servingSummary,
  type CompletedRequest,
  type RequestTiming,
} from '../../src/serving/index.ts'

/** A completed request: sent `late` after `scheduled`, first token and last so long after it. */
function completed(
  request: number,
  scheduled: number,
  { late = 0, ttft = 1, e2e = 2, outputs = 3, prompt = 10 } = {},
): CompletedRequest {
  return {
    status: 'completed',
    request,
    promptTokens: prompt,
    outputTokens: outputs,
    scheduledSeconds: scheduled,
    sentSeconds: scheduled + late,
    endSeconds: scheduled + e2e,
    latenessSeconds: late,
    ttftSeconds: ttft,
    e2eSeconds: e2e,
    tpotSeconds: outputs > 1 ? (e2e - ttft) / (outputs - 1) : null,
    itlSeconds:
      outputs > 1 ? new Array<number>(outputs - 1).fill((e2e - ttft) / (outputs - 1)) : [],
  }
}

const failed = (request: number, reason: string): RequestTiming => ({
  status: 'failed',
  request,
  promptTokens: 10,
  outputTokens: 0,
  scheduledSeconds: 0,
  sentSeconds: 0.5,
  endSeconds: 100,
  reason,
})

describe('servingSummary', () => {
  const timings = [
    completed(0, 2, { ttft: 1, e2e: 3, outputs: 3 }), // TPOT 1
    completed(1, 3, { ttft: 2, e2e: 5, outputs: 4, late: 0.5 }), // TPOT 1
    completed(2, 4, { ttft: 3, e2e: 3, outputs: 1 }), // none
    completed(3, 5, { ttft: 4, e2e: 7, outputs: 2, prompt: 20 }), // TPOT 3
  ]

  it('gives means and percentiles by linear interpolation, and rates over the makespan', () => {
    const summary = servingSummary(timings)
    expect(summary).toMatchObject({
      requests: 4,
      completed: 4,
      failed: 0,
      failures: {},
      ttftSeconds: { count: 4, mean: 2.5, p50: 2.5, p90: 3.7, max: 4 },
      tpotSeconds: { count: 3, mean: 5 / 3, p50: 1, max: 3 },
      itlSeconds: { count: 6, mean: (1 + 1 + 1 + 1 + 1 + 3) / 6 },
      e2eSeconds: { mean: 4.5, max: 7 },
      latenessSeconds: { count: 4, mean: 0.125, max: 0.5 },
      makespanSeconds: 10, // from 2 to 12
      requestsPerSecond: 0.4,
      outputTokensPerSecond: 1,
      totalTokensPerSecond: 6,
      goodRequests: null,
      goodputPerSecond: null,
    })
    expect(summary.ttftSeconds.p95).toBeCloseTo(3.85, 12)
  })

  it('counts who is under way together: an end makes room for a start at the same time', () => {
    // Sent and ended: 2-5, 3.5-8, 4-7, 5-12.
    expect(servingSummary(timings).peakConcurrency).toBe(3)
    const touching = [completed(0, 0, { e2e: 1 }), completed(1, 1, { e2e: 1 })]
    expect(servingSummary(touching).peakConcurrency).toBe(1)
    expect(servingSummary([]).peakConcurrency).toBe(0)
  })

  it('counts as goodput only what meets all limits', () => {
    const good = (level: object) => servingSummary(timings, level).goodRequests
    expect(good({ ttftSeconds: 3 })).toBe(3)
    expect(good({ ttftSeconds: 3, tpotSeconds: 1 })).toBe(3)
    expect(good({ ttftSeconds: 2, tpotSeconds: 1 })).toBe(2)
    expect(good({ ttftSeconds: 3, tpotSeconds: 1, e2eSeconds: 4 })).toBe(2)
    expect(good({})).toBe(4)
    const summary = servingSummary(timings, mlperfServiceLevels['llama-3.1-8b'])
    expect(summary).toMatchObject({ goodRequests: 0, goodputPerSecond: 0 })
    expect(servingSummary(timings, { ttftSeconds: 3 }).goodputPerSecond).toBe(0.3)
  })

  it('shows failures and lets them improve nothing', () => {
    const summary = servingSummary([
      ...timings,
      failed(4, 'out of memory'),
      failed(5, 'out of memory'),
      failed(6, 'timeout'),
    ])
    expect(summary).toMatchObject({
      requests: 7,
      completed: 4,
      failed: 3,
      failures: { 'out of memory': 2, timeout: 1 },
      ttftSeconds: { count: 4, mean: 2.5 },
      makespanSeconds: 12, // the failed ones were scheduled at 0, and their end does not count
      peakConcurrency: 6,
      latenessSeconds: { count: 7 },
    })
  })

  it('has null, never NaN, where nothing completed', () => {
    const summary = servingSummary([failed(0, 'refused')], { ttftSeconds: 1 })
    expect(summary).toMatchObject({
      makespanSeconds: null,
      requestsPerSecond: null,
      goodRequests: 0,
      goodputPerSecond: null,
      ttftSeconds: { count: 0, mean: null, p50: null, p99: null, max: null },
    })
    expect(JSON.stringify(summary)).not.toContain('NaN')
  })

  it('has a 99th percentile from 1,000 requests on, and says why below', () => {
    const many = (count: number) =>
      Array.from({ length: count }, (_, i) => completed(i, i, { ttft: i, e2e: i + 1 }))
    const few = servingSummary(many(999))
    expect(few.ttftSeconds.p99).toBeNull()
    expect(few.ttftSeconds.p99Missing).toMatch(/1000 requests.*999/)
    // Many gaps of few requests are not independent.
    expect(few.itlSeconds).toMatchObject({ count: 1998, p99: null })
    const enough = servingSummary(many(1000))
    expect(enough.ttftSeconds.p99).toBeCloseTo(989.01, 10)
    expect(enough.ttftSeconds.p99Missing).toBeNull()
  })
})

describe('distributionOf', () => {
  it('does not reorder what it is given, and takes one value', () => {
    const values = [3, 1, 2]
    expect(distributionOf(values, 3)).toMatchObject({ p50: 2, max: 3 })
    expect(values).toEqual([3, 1, 2])
    expect(distributionOf([5], 1)).toMatchObject({ mean: 5, p50: 5, p90: 5, p95: 5, max: 5 })
  })
})

describe('capacityOf', () => {
  const run = (achievedRate: number, ttft: number, count = 1000, failures = 0) => ({
    achievedRate,
    summary: servingSummary([
      ...Array.from({ length: count }, (_, i) => completed(i, i, { ttft, e2e: ttft + 1 })),
      ...Array.from({ length: failures }, (_, i) => failed(count + i, 'refused')),
    ]),
  })
  const level = { ttftSeconds: 2 }

  it('is the highest rate before the first at which the 99th percentile does not hold', () => {
    const runs = [run(8, 1), run(1, 0.5), run(2, 2), run(4, 2.5)]
    expect(capacityOf(runs, level)).toEqual({ requestsPerSecond: 2, exceededAt: 4 })
    expect(capacityOf(runs.slice(1, 3), level)).toEqual({ requestsPerSecond: 2, exceededAt: null })
    expect(capacityOf([run(1, 3)], level)).toEqual({ requestsPerSecond: null, exceededAt: 1 })
  })

  it('does not hold with failures, and is unknown with too few requests', () => {
    expect(capacityOf([run(1, 1), run(2, 1, 1000, 1)], level)).toEqual({
      requestsPerSecond: 1,
      exceededAt: 2,
    })
    expect(capacityOf([run(1, 1, 999)], level)).toBeNull()
  })
})
