import { beforeAll, describe, expect, it } from 'vitest'

import type { Latencies } from '../../src/result/index.ts'
import { namedCache, namedShape } from '../../src/suite/index.ts'
import { step } from '../../src/suites/step.ts'
import { casesOf, runSuite, SteppingClock, type SuiteRun } from './support/run-suite.ts'

/** 1 KiB a token: 64 to a page of 64 KiB interleaved, 256 to each of four pages split. */
const shapes = [namedShape('2/4/2/64')]
const sequences = 4
const steps = 160

let run: SuiteRun
beforeAll(async () => {
  const caches = ['interleaved', 'split', 'paged-16'].map(namedCache)
  run = await runSuite(
    step,
    { sequences, steps, iterations: 300 },
    { shapes, caches },
    // Paced steps are due whenever the clock is read.
    { clock: new SteppingClock(3) },
  )
})

describe('the suite step', () => {
  it('makes a valid result, with nothing left out', () => {
    expect(run.reasons).toEqual([])
    expect(run.recorder.skipped).toEqual([])
  })

  it('has every load over every variant, with every step that was asked for', () => {
    for (const load of ['nothing to map', 'all decoding', 'turnover']) {
      // Two layouts in three ways, and a pool; with nothing to map, how far ahead makes no difference.
      const found = casesOf(run, { part: 'steps', load })
      expect(found).toHaveLength(load === 'nothing to map' ? 5 : 7)
      for (const { metrics } of found) {
        const { n } = metrics.stepUs as Latencies
        if (load === 'nothing to map') expect(n).toBeGreaterThanOrEqual(steps)
        else expect(n).toBe(steps)
      }
    }
  })

  it('maps nothing itself when everything is there', () => {
    for (const { metrics, parameters } of casesOf(run, { load: 'nothing to map' })) {
      expect(metrics.stepsThatMappedCount).toBe(parameters.mapper === null ? undefined : 0)
    }
  })

  it('counts how many sequences cross into a page or block', () => {
    // From some token on, each of the steps gives each sequence one.
    const crossings = (pageTokens: number) => {
      let crossed = 0
      for (let i = 0; i < sequences; i++) {
        const first = 64 + ((i * 7) % 256) + Math.ceil(steps / 4)
        for (let at = first; at < first + steps; at++) if (at % pageTokens === 0) crossed++
      }
      return crossed / steps / sequences
    }
    for (const [cache, tokens] of Object.entries({ interleaved: 64, split: 256, 'paged-16': 16 })) {
      const [found] = casesOf(run, { load: 'all decoding', cache })
      expect(found!.metrics.crossingShare).toBeCloseTo(crossings(tokens), 5)
    }
  })

  it('tells each iteration in order: without the mapper, the driver is called when a page is full', () => {
    for (const [cache, tokens] of Object.entries({ interleaved: 64, split: 256 })) {
      const [found] = casesOf(run, { part: 'iterations', cache, mapper: false })
      const calls = found!.samples!.driverCallsCount!
      expect(calls).toHaveLength(300)
      // Iteration i makes the sequences i + 2 tokens long.
      calls.forEach((count, i) => {
        expect(count! > 0, `${cache}, iteration ${i}`).toBe((i + 1) % tokens === 0)
      })
      expect(found!.metrics.pageTokens).toBe(tokens)
    }
  })

  it('finds recycled memory in turnover without the driver, and says what share does', () => {
    for (const { metrics, parameters } of casesOf(run, { load: 'turnover' })) {
      if (parameters.mapper === null) continue
      const mapped = Number(metrics.stepsThatMappedCount)
      expect(metrics.stepsWithoutDriverCallShare).toBeCloseTo((steps - mapped) / steps, 5)
    }
  })

  it('times the other calls of all caches', () => {
    expect(casesOf(run, { part: 'calls', cache: 'paged-16' })).toHaveLength(8)
    expect(casesOf(run, { part: 'calls', cache: 'split' })).toHaveLength(8)
  })

  it('says why a cache that has no room is not there, and takes no memory for it', async () => {
    const { recorder, reasons } = await runSuite(
      step,
      { sequences, steps: 50, iterations: 10 },
      { shapes, caches: ['interleaved', 'paged-16'].map(namedCache) },
      { freeBytes: 2 ** 14 },
    )
    expect(reasons).toEqual([])
    expect(recorder.cases).toEqual([])
    const told = new Set(recorder.skipped.map((one) => one.reason.replaceAll(/\d+/g, 'N')))
    expect(told).toEqual(new Set(['N bytes are needed, and N are left of what is free']))
  })

  it('keeps what was measured until it is interrupted', async () => {
    const interrupted = new AbortController()
    interrupted.abort()
    const { recorder, reasons } = await runSuite(
      step,
      { sequences: 2, steps: 60 },
      { shapes, caches: [namedCache('interleaved')] },
      { signal: interrupted.signal },
    )
    expect(reasons).toEqual([])
    expect(recorder.cases).toEqual([])
  })
})
