import { beforeAll, describe, expect, it } from 'vitest'

import { namedCache, namedShape } from '../../src/suite/index.ts'
import { prefix } from '../../src/suites/prefix.ts'
import { conversations } from '../../src/suites/prefix/conversations.ts'
import { generateTrace, scaleTrace, type Trace } from '../../src/traces/index.ts'
import { casesOf, runSuite, SteppingClock, type SuiteRun } from './support/run-suite.ts'

const requests = 40
const maxTotalTokens = 1024
const blockTokens = 16
const shapes = [namedShape('1/2/1/64')]
const trace = 'mooncake-conversation'
const caches = ['interleaved', 'paged-16'].map(namedCache)

let run: SuiteRun
beforeAll(async () => {
  const options = { requests, maxTotalTokens, memoryShares: [1, 0.1], rounds: 1 }
  // Each admission takes one step of the clock.
  run = await runSuite(prefix, options, { shapes, caches }, { clock: new SteppingClock(0.5) })
})

/** The trace as the suite has it: 512 tokens of a block become 16. */
const rows = () =>
  scaleTrace(generateTrace('mooncake-conversation', { requests, seed: 1 }), {
    lengthDivisor: 32,
    maxTotalTokens,
  }).trace.requests

/** Tokens that prompts share with what came before: whole blocks, and never the last token. */
function sharedTokens(): { hit: number; all: number } {
  const seen = new Set<number>()
  let [hit, all] = [0, 0]
  for (const { promptTokens, blockHashes = [] } of rows()) {
    const known = blockHashes.findIndex((hash) => !seen.has(hash))
    const blocks = known < 0 ? blockHashes.length : known
    hit += Math.min(blocks * blockTokens, promptTokens - 1)
    all += promptTokens
    for (const hash of blockHashes) seen.add(hash)
  }
  return { hit, all }
}

describe('conversations', () => {
  it('are the requests that share more than the first block with another', () => {
    const request = (blockHashes: number[]) => ({ promptTokens: 40, outputTokens: 1, blockHashes })
    const of = (...hashes: number[][]): Trace => ({
      format: 'generated',
      source: { kind: 'generated', profile: 'none', seed: 0 },
      blockTokens: 16,
      requests: hashes.map(request),
    })
    const all = of([0, 1, 2], [0, 3], [0, 1, 4], [0], [0, 5, 6])
    expect(conversations(all)).toEqual(of([0, 1, 2], [0, 1, 4]))
  })
})

describe('the suite prefix', () => {
  it('makes a valid result of all caches, with sharing and without', () => {
    expect(run.reasons).toEqual([])
    expect(run.recorder.skipped).toEqual([])
    expect(casesOf(run, { part: 'prefix' })).toHaveLength(2 * 2 * 2 * caches.length)
  })

  it('finds nearly all that the trace has in common when there is memory for it, and no more', () => {
    const { hit, all } = sharedTokens()
    for (const { parameters, metrics } of casesOf(run, { trace, sharing: true, memoryShare: 1 })) {
      expect(metrics.ceilingShare).toBeCloseTo(hit / all, 5)
      expect(metrics.promptTokens).toBe(all)
      const found = Number(metrics.hitTokens)
      expect(found).toBeLessThanOrEqual(hit)
      // Partial blocks are what caches of blocks do not find.
      expect(found, String(parameters.cache)).toBeGreaterThan(0.8 * hit)
      expect(metrics.tokenHitShare).toBeCloseTo(found / all, 5)
    }
  })

  it('finds less with little memory, and nothing without sharing', () => {
    const found = (parameters: Record<string, string | number | boolean>) =>
      casesOf(run, { trace, ...parameters }).map(({ metrics }) => Number(metrics.hitTokens))
    for (const { name } of caches) {
      const [ample] = found({ cache: name, sharing: true, memoryShare: 1 })
      const [scarce] = found({ cache: name, sharing: true, memoryShare: 0.1 })
      expect(scarce!).toBeLessThanOrEqual(ample!)
    }
    expect(found({ sharing: false })).toEqual([0, 0, 0, 0])
  })

  it('replays conversations alone too, which share more', () => {
    const alone = `${trace}, conversations alone`
    const share = (of: string) =>
      Number(
        casesOf(run, { trace: of, cache: 'paged-16', sharing: true })[0]!.metrics.tokenHitShare,
      )
    expect(share(alone)).toBeGreaterThan(2 * share(trace))
  })

  it('copies what a prompt shares of a page, and no block', () => {
    const copied = (cache: string) =>
      casesOf(run, { trace, cache, sharing: true, memoryShare: 1 })[0]!.metrics
    expect(copied('paged-16').copiedBytes).toBe(0)
    const contiguous = copied('interleaved')
    expect(Number(contiguous.aliasedTokens) + Number(contiguous.copiedTokens)).toBe(
      contiguous.hitTokens,
    )
  })

  it('times each admission by the clock that it was given', () => {
    for (const { samples, metrics } of casesOf(run, { part: 'prefix' })) {
      expect(new Set(samples!.admitUs)).toEqual(new Set([500]))
      expect(metrics.admitUs).toMatchObject({ p50: 500, max: 500 })
    }
  })
})
