import { describe, expect, it } from 'vitest'

import {
  arrivalsOf,
  arrivalStatistics,
  lengthStatistics,
  prefixCeiling,
  promptTokensOf,
  readTrace,
  traceProfiles,
  type PublishedLengths,
} from '../../src/traces/index.ts'
import { gapsOf } from '../../src/traces/arrival-statistics.ts'
import { realTrace, realTraceFiles } from './support/real-traces.ts'

/** The published figures are rounded: means to three digits at least, the rest to whole tokens. */
function expectLengths(lengths: number[], published: PublishedLengths) {
  const found = lengthStatistics(lengths)
  expect(Math.abs(found.mean / published.mean - 1)).toBeLessThan(0.002)
  for (const key of ['p50', 'p90', 'p99', 'max'] as const) {
    expect(Math.abs(found[key] - published[key])).toBeLessThanOrEqual(0.5)
  }
}

describe('the published traces', () => {
  it.for([...traceProfiles.values()])(
    '$name has its table of lengths',
    async (profile, context) => {
      const { requests } = await readTrace(realTrace(context, realTraceFiles[profile.name]!))
      expect(requests).toHaveLength(profile.requests)
      expectLengths(
        requests.map(({ promptTokens }) => promptTokens),
        profile.published.prompt,
      )
      expectLengths(
        requests.map(({ outputTokens }) => outputTokens),
        profile.published.output,
      )
    },
  )

  it('azure-2023-code comes in bursts between silences', async (context) => {
    const { requests } = await readTrace(realTrace(context, 'azure-2023-code.csv'))
    const arrivals = arrivalsOf(requests)
    const found = arrivalStatistics(arrivals)
    expect(found.durationSeconds).toBeCloseTo(3435.948056, 5)
    expect(found.requestsPerSecond).toBeCloseTo(2.57, 2)
    expect(found.gapVariation).toBeCloseTo(13.2, 0)
    expect(found.peakPerSecond).toBe(67)
    const silences = gapsOf(arrivals).filter((gap) => gap >= 120)
    expect(silences.map(Math.round).sort((a, b) => a - b)).toEqual([123, 139, 144, 168, 174, 217])
  })

  it('azure-2023-conv is nearly Poisson', async (context) => {
    const { requests } = await readTrace(realTrace(context, 'azure-2023-conv.csv'))
    const found = arrivalStatistics(arrivalsOf(requests))
    expect(found.durationSeconds).toBeCloseTo(3502, 0)
    expect(found.requestsPerSecond).toBeCloseTo(5.53, 2)
    expect(found.gapVariation).toBeCloseTo(1.09, 2)
    expect(found.peakPerSecond).toBe(16)
  })

  it('mooncake-conversation comes in ticks of 3 s and shares what was published', async (context) => {
    const trace = await readTrace(realTrace(context, 'mooncake-conversation.jsonl.gz'))
    const arrivals = arrivalsOf(trace.requests)
    expect(new Set(arrivals).size).toBe(1180)
    expect(arrivalStatistics(arrivals).requestsPerSecond).toBeCloseTo(3.4, 2)

    const ceiling = prefixCeiling(trace)
    expect(ceiling.blocks).toBe(288_500)
    expect(ceiling.blocks - ceiling.hitBlocks).toBe(182_790) // distinct ones
    expect(ceiling.blockRate).toBeCloseTo(0.366, 3)
    expect(ceiling.tokenRate).toBeCloseTo(0.374, 3)
    expect(ceiling.firstBlockOnlyRate).toBeCloseTo(0.61, 2)
    const slice = (rows: number) => ({ ...trace, requests: trace.requests.slice(0, rows) })
    expect(prefixCeiling(slice(1000)).blockRate).toBeCloseTo(0.21, 2)
    expect(prefixCeiling(slice(4000)).blockRate).toBeCloseTo(0.33, 2)
    for (const [cacheTokens, rate] of [
      [5.1e6, 0.21],
      [10.2e6, 0.29],
      [25.6e6, 0.355],
    ] as const) {
      expect(Math.abs(prefixCeiling(trace, { cacheTokens }).blockRate - rate)).toBeLessThan(0.005)
    }
  })

  it('mooncake-conversation: prompts begin alike exactly as far as their hashes do', async (context) => {
    const trace = await readTrace(realTrace(context, 'mooncake-conversation.jsonl.gz'), {
      maxRows: 300,
    })
    const { requests } = trace
    const prompts = requests.map((_, i) => promptTokensOf(trace, i, { vocabularySize: 32_000 }))
    for (let i = 1; i < requests.length; i++) {
      const [a, b] = [requests[i - 1]!.blockHashes!, requests[i]!.blockHashes!]
      const same = a.findIndex((hash, block) => hash !== b[block])
      const length = Math.min(same * 512, prompts[i]!.length, prompts[i - 1]!.length)
      expect(prompts[i]!.subarray(0, length)).toEqual(prompts[i - 1]!.subarray(0, length))
      expect(prompts[i]!.subarray(0, length + 16)).not.toEqual(
        prompts[i - 1]!.subarray(0, length + 16),
      )
    }
  })
})
