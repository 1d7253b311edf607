import { createHash } from 'node:crypto'

import { describe, expect, it } from 'vitest'

import {
  arrivalsOf,
  arrivalStatistics,
  generateTrace,
  lengthStatistics,
  prefixCeiling,
  traceProfiles,
  type PublishedLengths,
  type Trace,
} from '../../src/traces/index.ts'
import { gapsOf } from '../../src/traces/arrival-statistics.ts'
import { code, thrownBy } from './support/traces.ts'

/** Each of these seeds has to do, not the best of them. */
const seeds = [0, 1, 2]

const prompts = ({ requests }: Trace) => requests.map(({ promptTokens }) => promptTokens)
const outputs = ({ requests }: Trace) => requests.map(({ outputTokens }) => outputTokens)

/** Mean, median and p90 within 3 %, p99 within 5 % and the longest within 20 % of the published. */
const tolerances = { mean: 0.03, p50: 0.03, p90: 0.03, p99: 0.05, max: 0.2 } as const

function expectLengths(lengths: readonly number[], published: PublishedLengths) {
  const found = lengthStatistics(lengths)
  for (const [key, tolerance] of Object.entries(tolerances)) {
    const [a, b] = [
      found[key as keyof typeof tolerances],
      published[key as keyof typeof tolerances],
    ]
    expect(Math.abs(a / b - 1), `${key}: ${a} for ${b}`).toBeLessThan(tolerance)
  }
  expect(Math.min(...lengths)).toBeGreaterThanOrEqual(1)
  expect(lengths.every(Number.isSafeInteger)).toBe(true)
}

/** Spearman's coefficient. */
function rankCorrelation(a: readonly number[], b: readonly number[]): number {
  const ranks = (values: readonly number[]) => {
    const rank = new Array<number>(values.length)
    values
      .map((_, i) => i)
      .sort((i, j) => values[i]! - values[j]!)
      .forEach((i, position) => (rank[i] = position))
    return rank
  }
  const [x, y] = [ranks(a), ranks(b)]
  const middle = (a.length - 1) / 2
  const dot = (u: readonly number[], v: readonly number[]) =>
    u.reduce((sum, value, i) => sum + (value - middle) * (v[i]! - middle), 0)
  return dot(x, y) / dot(x, x)
}

function usesOfIds({ requests }: Trace): Map<number, number> {
  const uses = new Map<number, number>()
  for (const hash of requests.flatMap(({ blockHashes = [] }) => blockHashes)) {
    uses.set(hash, (uses.get(hash) ?? 0) + 1)
  }
  return uses
}

const cases = [...traceProfiles.values()].flatMap((profile) =>
  seeds.map((seed) => ({ name: profile.name, profile, seed })),
)

const made = new Map<number, Trace>()

/** The Mooncake trace of a seed, made once: the largest of them. */
function mooncakeOf(seed: number): Trace {
  const trace = made.get(seed) ?? generateTrace('mooncake-conversation', { seed })
  made.set(seed, trace)
  return trace
}

describe('generateTrace', () => {
  it.each(cases)('$name, seed $seed, has the published lengths', ({ profile, seed }) => {
    const trace = profile.sharing ? mooncakeOf(seed) : generateTrace(profile, { seed })
    expect(trace.requests).toHaveLength(profile.requests)
    expectLengths(prompts(trace), profile.published.prompt)
    expectLengths(outputs(trace), profile.published.output)
    const found = rankCorrelation(prompts(trace), outputs(trace))
    // Chance alone moves it by 1 / sqrt(n); keeping ratios within a limit adds up to 0.08.
    const tolerance = 3 / Math.sqrt(profile.requests) + (profile.largestRatio ? 0.08 : 0)
    expect(Math.abs(found - profile.published.rankCorrelation)).toBeLessThan(tolerance)
  })

  it('has the lengths in a small trace, too', () => {
    const trace = generateTrace('azure-2023-conv', { requests: 500 })
    const found = lengthStatistics(prompts(trace))
    expect(Math.abs(found.p50 / 1020 - 1)).toBeLessThan(0.05)
    expect(Math.abs(found.mean / 1155 - 1)).toBeLessThan(0.05)
  })

  it.each(seeds)('azure-2023-code, seed %i: bursts between silences', (seed) => {
    const arrivals = arrivalsOf(generateTrace('azure-2023-code', { seed }).requests)
    const found = arrivalStatistics(arrivals)
    expect(Math.abs(found.requestsPerSecond! / 2.57 - 1)).toBeLessThan(0.03)
    expect(Math.abs(found.gapVariation! / 13.2 - 1)).toBeLessThan(0.05)
    const silences = gapsOf(arrivals).filter((gap) => gap >= 120).length
    expect(Math.abs(silences - 6)).toBeLessThanOrEqual(1)
    expect(found.longestGapSeconds).toBeGreaterThan(190)
    expect(found.longestGapSeconds).toBeLessThanOrEqual(217.2)
    // The published file's busiest second, 67, is one of 3,436; gaps by chance alone would reach 26.
    expect(found.peakPerSecond).toBeGreaterThan(35)
    expect(found.peakPerSecond).toBeLessThan(100)
    // Requests keep together: the published file has them in 915 of its seconds.
    const busy = new Set(arrivals.map(Math.floor)).size
    expect(Math.abs(busy / 915 - 1)).toBeLessThan(0.1)
  })

  it.each(seeds)('azure-2023-conv, seed %i: nearly Poisson', (seed) => {
    const found = arrivalStatistics(arrivalsOf(generateTrace('azure-2023-conv', { seed }).requests))
    expect(Math.abs(found.requestsPerSecond! / 5.53 - 1)).toBeLessThan(0.02)
    expect(Math.abs(found.gapVariation! - 1.09)).toBeLessThan(0.02)
    expect(found.peakPerSecond).toBeGreaterThanOrEqual(14)
    expect(found.peakPerSecond).toBeLessThanOrEqual(26)
  })

  it('the arXiv traces have no arrivals, and their ratios of prompt to output', () => {
    for (const seed of seeds) {
      const sample = generateTrace('arxiv-sample', { seed })
      expect(arrivalsOf(sample.requests)).toEqual([])
      expect(Math.min(...prompts(sample))).toBeGreaterThanOrEqual(4097)
      const ratios = sample.requests.map((request) => request.promptTokens / request.outputTokens)
      expect(Math.max(...ratios)).toBeLessThan(50)
      const long = sample.requests.filter((r) => r.promptTokens + r.outputTokens >= 16384).length
      expect(Math.abs(long - 596)).toBeLessThan(15)

      const offline = generateTrace('arxiv-long-offline', { seed }).requests
      const count = (from: number, to: number) =>
        offline.filter(({ promptTokens, outputTokens }) => {
          const ratio = promptTokens / outputTokens
          return ratio >= from && ratio < to
        }).length
      // Published: 33, 127, 200 and 67 of 427; within 6 % of all.
      for (const [from, to, published] of [
        [0, 100, 33],
        [100, 200, 127],
        [200, 500, 200],
        [500, Infinity, 67],
      ] as const) {
        expect(Math.abs(count(from, to) - published)).toBeLessThan(0.06 * 427)
      }
    }
  })

  it.each(seeds)('mooncake-conversation, seed %i: ticks of 3 s, growing', (seed) => {
    const trace = mooncakeOf(seed)
    const arrivals = arrivalsOf(trace.requests)
    expect(arrivals.every((time) => time % 3 === 0)).toBe(true)
    expect(Math.abs(new Set(arrivals).size - 1180)).toBeLessThan(5)
    expect(arrivalStatistics(arrivals).requestsPerSecond).toBeCloseTo(3.4, 1)
    const half = arrivals.filter((time) => time < 3539 / 2).length
    expect(Math.abs(half / arrivals.length - 0.46)).toBeLessThan(0.02) // published: 0.461
    const ticks = new Map<number, number>()
    for (const time of arrivals) ticks.set(time, (ticks.get(time) ?? 0) + 1)
    expect(Math.max(...ticks.values())).toBeGreaterThan(18) // published: 28
    expect(Math.max(...ticks.values())).toBeLessThan(32)
  })

  it.each(seeds)('mooncake-conversation, seed %i: shares prefixes as published', (seed) => {
    const trace = mooncakeOf(seed)
    const { requests } = trace
    const near = (found: number, published: number) =>
      expect(Math.abs(found - published), `${found} for ${published}`).toBeLessThan(0.03)
    const ceiling = prefixCeiling(trace)
    near(ceiling.blockRate, 0.366)
    near(ceiling.tokenRate, 0.374)
    near(ceiling.firstBlockOnlyRate, 0.61)
    near(prefixCeiling(trace, { cacheTokens: 5.1e6 }).blockRate, 0.21)
    near(prefixCeiling(trace, { cacheTokens: 10.2e6 }).blockRate, 0.29)
    near(prefixCeiling(trace, { cacheTokens: 25.6e6 }).blockRate, 0.355)
    // The first rows can only find what came before them: 0.21 published, and chance is larger.
    const first = prefixCeiling({ ...trace, requests: requests.slice(0, 1000) }).blockRate
    expect(Math.abs(first - 0.21)).toBeLessThan(0.07)

    // Published: 0.76. Reuse is spread wider here: no document comes 43 times.
    const uses = usesOfIds(trace)
    const once = [...uses.values()].filter((count) => count === 1).length
    expect(Math.abs(once / uses.size - 0.76)).toBeLessThan(0.1)
  })

  it.each(seeds)('mooncake-conversation, seed %i: equal ids imply equal prefixes', (seed) => {
    const trace = generateTrace('mooncake-conversation', { seed, requests: 4000 })
    const uses = usesOfIds(trace)
    const before = new Map<number, number | undefined>()
    const wrong = { count: 0, start: 0, predecessor: 0, hitBehindMiss: 0, partial: 0 }
    for (const { blockHashes = [], promptTokens } of trace.requests) {
      if (blockHashes.length !== Math.ceil(promptTokens / 512)) wrong.count++
      if (blockHashes[0] !== 0) wrong.start++
      let missed = false
      blockHashes.forEach((hash, i) => {
        const known = before.has(hash)
        if (known && before.get(hash) !== blockHashes[i - 1]) wrong.predecessor++
        if (known && missed) wrong.hitBehindMiss++
        missed ||= !known
        before.set(hash, blockHashes[i - 1])
      })
      // Conversations go on behind full blocks: a partial one is nobody else's.
      const partial = promptTokens % 512 !== 0 && blockHashes.length > 1
      if (partial && uses.get(blockHashes.at(-1)!) !== 1) wrong.partial++
    }
    expect(wrong).toEqual({ count: 0, start: 0, predecessor: 0, hitBehindMiss: 0, partial: 0 })
  })

  it('is the same for a seed, on every platform, and another for another', () => {
    const digest = (seed: number) => {
      const hash = createHash('sha256')
      for (const name of traceProfiles.keys()) {
        const { requests } = generateTrace(name, { seed, requests: 400 })
        hash.update(JSON.stringify(requests))
      }
      return hash.digest('hex')
    }
    expect(digest(1)).toBe('2e89ac76a0b8ae19fd1dc55502800a4162c2fc334a6dd76424b020c367a23c22')
    expect(digest(2)).not.toBe(digest(1))
  })

  it('refuses an unknown profile and an impossible number of requests', () => {
    expect(thrownBy(() => generateTrace('azure'))).toMatchObject(code('TRACE_SCALE'))
    expect(() => generateTrace('azure')).toThrow('azure-2023-code')
    expect(thrownBy(() => generateTrace('arxiv-sample', { requests: 0 }))).toMatchObject(
      code('TRACE_SCALE'),
    )
    expect(generateTrace('azure-2023-code', { requests: 1 }).requests).toHaveLength(1)
  })
})
