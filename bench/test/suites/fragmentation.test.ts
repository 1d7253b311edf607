import { beforeAll, describe, expect, it } from 'vitest'

import { namedCache, namedShape } from '../../src/suite/index.ts'
import { fragmentation } from '../../src/suites/fragmentation.ts'
import { generateTrace, scaleTrace } from '../../src/traces/index.ts'
import { casesOf, runSuite, type SuiteRun } from './support/run-suite.ts'

/** K and V, layers, heads, dim, bytes of a number. */
const tokenBytes = 2 * 2 * 2 * 64 * 2
const memory = 2 ** 21
const maxTotalTokens = 1024
const requests = 20
const options = { profile: ['mooncake-conversation'], requests, maxTotalTokens, memory }
const caches = ['interleaved', 'split', 'paged-16', 'layer-group-1'].map(namedCache)

let run: SuiteRun
beforeAll(async () => {
  run = await runSuite(fragmentation, options, { shapes: [namedShape('2/4/2/64')], caches })
})

/** The trace's requests as the suite has them. */
function rows() {
  const trace = generateTrace('mooncake-conversation', { requests, seed: 1 })
  // 512 tokens of a block become 16: what is longer then is left out.
  return scaleTrace(trace, { lengthDivisor: 32, maxTotalTokens }).trace.requests
}

describe('the suite fragmentation', () => {
  it('makes a valid result: every real cache holds what arithmetic says', () => {
    expect(run.reasons).toEqual([])
    expect(run.recorder.skipped).toEqual([])
    expect(run.recorder.wrong).toEqual([])
    expect(casesOf(run, { part: 'trace', sharing: false })).toHaveLength(caches.length + 1)
    expect(casesOf(run, { part: 'trace', sharing: true })).toHaveLength(caches.length)
  })

  it('completes every request that fits', () => {
    for (const { metrics } of casesOf(run, { part: 'trace' })) {
      expect(Number(metrics.completedCount) + Number(metrics.tooLongCount)).toBe(rows().length)
    }
  })

  it('finds the largest batch that fits, page by page', () => {
    const lengths = rows().map((one) => one.promptTokens + one.outputTokens - 1)
    const longest = Math.max(...rows().map((one) => one.promptTokens + one.outputTokens))
    const fitting = (held: (tokens: number) => number) => {
      let bytes = 0
      let count = 0
      for (;;) {
        bytes += held(lengths[count % lengths.length]!)
        if (bytes > memory) return count
        count++
      }
    }
    const pages = (tensors: number) => (tokens: number) =>
      Math.ceil((tokens * tokenBytes) / tensors / 2 ** 16) * 2 ** 16 * tensors
    const batch = (cache: string) =>
      casesOf(run, { part: 'max-batch', cache, sharing: false })[0]!.metrics.sequencesCount
    expect(batch('interleaved')).toBe(fitting(pages(1)))
    expect(batch('split')).toBe(fitting(pages(4)))
    expect(batch('layer-group-1')).toBe(fitting(pages(2)))
    expect(batch('paged-16')).toBe(fitting((tokens) => Math.ceil(tokens / 16) * 16 * tokenBytes))
    expect(batch('static')).toBe(fitting(() => longest * tokenBytes))
  })

  it('keeps what is used within what is needed, and that within what is mapped', () => {
    for (const { samples } of casesOf(run, { part: 'trace' })) {
      const { usedBytes, neededBytes, mappedBytes, totalBytes } = samples as Record<
        string,
        number[]
      >
      usedBytes!.forEach((used, i) => {
        expect(used).toBeLessThanOrEqual(neededBytes![i]!)
        expect(neededBytes![i]).toBeLessThanOrEqual(mappedBytes![i]!)
        expect(mappedBytes![i]).toBeLessThanOrEqual(totalBytes![i]!)
      })
    }
  })

  it('shares only where it is on', () => {
    const hits = (sharing: boolean) =>
      casesOf(run, { part: 'trace', sharing })
        .filter(({ parameters }) => parameters.cache !== 'static')
        .map(({ metrics }) => Number(metrics.prefixHitTokens))
    expect(Math.max(...hits(false))).toBe(0)
    expect(Math.min(...hits(true))).toBeGreaterThan(0)
  })

  it('never wastes more than the bound of a layout, and comes within a token of it', () => {
    for (const { parameters, metrics } of casesOf(run, { part: 'waste' })) {
      const [worst, bound] = [metrics.worstSequenceWasteBytes, metrics.boundBytes] as number[]
      expect(worst, String(parameters.cache)).toBe(bound! - tokenBytes)
    }
    expect(run.recorder.bars.every(({ met }) => met)).toBe(true)
  })
})
