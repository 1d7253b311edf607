import { basename } from 'node:path'

import { describe, expect, it } from 'vitest'

import { namedCache, type SuiteSettings } from '../../src/suite/index.ts'
import { serveWorkload } from '../../src/suites/serve/serve-description.ts'
import { resolveServeOptions, type ServeKind } from '../../src/suites/serve/serve-options.ts'
import { serveSuite } from '../../src/suites/serve/serve-suite.ts'
import { openWorkloads } from '../../src/suites/serve/workload.ts'
import { fileOf } from '../traces/support/files.ts'
import { countingModel, type CountingModelOptions } from './support/counting-model.ts'
import { VirtualClock } from './support/virtual-clock.ts'
import { runSuite } from './support/run-suite.ts'

const caches = ['split', 'paged-16'].map(namedCache)

interface Options {
  readonly options?: Readonly<Record<string, unknown>>
  readonly settings?: Partial<SuiteSettings>
  readonly signal?: AbortSignal
  readonly model?: Partial<CountingModelOptions>
}

function serve(kind: ServeKind, { options, settings, model, ...more }: Options = {}) {
  const clock = new VirtualClock()
  const suite = serveSuite(kind, {
    openModel: () => Promise.resolve(countingModel({ clock, ...model })),
    pause: (milliseconds, signal) => clock.sleep(milliseconds, signal),
  })
  // Pools of a gigabyte take a while to be made.
  return runSuite(
    suite,
    { limit: 2 ** 24, ...options },
    { caches, ...settings },
    { clock, ...more },
  )
}

describe('serving offline', () => {
  it('measures every cache with and without sharing, in the form of results', async () => {
    const served = await serve('offline')
    const { cases, skipped, bars } = served.recorder
    expect(skipped).toEqual([])
    expect(bars).toEqual([])
    expect(served.reasons).toEqual([])
    const ample = cases.filter(({ parameters }) => parameters['memory'] === 'ample memory')
    const runs = ample.filter(({ parameters }) => 'cache' in parameters)
    expect(runs.map(({ parameters: { cache, prefixSharing } }) => [cache, prefixSharing])).toEqual([
      ['split', true],
      ['split', false],
      ['paged-16', true],
      ['paged-16', false],
    ])
    for (const { metrics, parameters } of runs) {
      expect(metrics).toMatchObject({ requestsCount: 18, failedCount: 0, ttftMs: { p99: null } })
      // A common beginning of 64 tokens is found by those behind the first, in every round, and no
      // run finds what another has left: then the share would be above the ceiling.
      const { prefixHitShare, ceilingShare } = metrics as Record<string, number>
      if (parameters['prefixSharing']) {
        expect(prefixHitShare).toBeGreaterThan(0.9 * ceilingShare!)
        expect(prefixHitShare).toBeLessThanOrEqual(ceilingShare!)
      } else {
        expect(prefixHitShare).toBe(0)
      }
    }
    expect(ample.filter(({ metrics }) => 'speedRatio' in metrics).map(({ name }) => name)).toEqual([
      'azure-2023-conv, offline, ample memory: split, sharing / split, no sharing',
      'azure-2023-conv, offline, ample memory: split, sharing / paged-16, sharing',
      'azure-2023-conv, offline, ample memory: split, no sharing / paged-16, no sharing',
      'azure-2023-conv, offline, ample memory: paged-16, sharing / paged-16, no sharing',
    ])
  })

  it('does the rounds that figures need, unless a budget was named', async () => {
    const full = { quick: false, budgetSeconds: 0.001 }
    const options = { requests: 6, profile: ['azure-2023-conv'] }
    const roundsOf = async (settings: Partial<SuiteSettings>) => {
      const { recorder } = await serve('offline', { options, settings })
      const counts = recorder.cases.flatMap(({ metrics: { requestsCount: of } }) => of ?? [])
      return { counts: new Set(counts), skipped: recorder.skipped.map(({ reason }) => reason) }
    }
    expect(await roundsOf(full)).toEqual({ counts: new Set([18]), skipped: [] })
    const { counts, skipped } = await roundsOf({ ...full, strictBudget: true })
    expect(counts).toEqual(new Set([6]))
    expect(new Set(skipped)).toEqual(new Set(['the time was up']))
  })

  it('counts what lacking memory costs', async () => {
    const { recorder } = await serve('offline', {
      options: { requests: 12, maxTotalTokens: 600, limit: 3 * 2 ** 17, scarce: 0 },
      settings: { caches: [namedCache('paged-16')] },
    })
    const [first] = recorder.cases
    expect(first!.metrics['stepsOutOfMemoryCount']).toBeGreaterThan(0)
    expect(first!.metrics['peakMappedBytes']).toBeLessThanOrEqual(3 * 2 ** 17)
    expect(first!.metrics['failedCount']).toBe(0)
  })

  it('reads a trace that is named, and tells how it was scaled', async () => {
    const rows = Array.from({ length: 9 }, (_, i) => `2023-11-16 18:15:4${i}.0000000,${400 + i},40`)
    const file = fileOf(['TIMESTAMP,ContextTokens,GeneratedTokens', ...rows].join('\n'), 'a.csv')
    const options = resolveServeOptions('offline', true, { trace: [file] })
    const model = countingModel({ clock: new VirtualClock() })
    const workloads = await openWorkloads(options, model, 1)
    expect(serveWorkload(workloads, options, model)).toMatchObject({
      model: 'counting model',
      traces: [{ name: basename(file), file, rows: 6, lengthDivisor: 4, commonTokens: 64 }],
    })
  })

  it('refuses a cache over which the model answers otherwise', async () => {
    const { recorder } = await serve('offline', { model: { wrongOver: ['paged-16'] } })
    expect(recorder.wrong).toHaveLength(2)
    expect(recorder.wrong[0]).toMatchObject({
      case: 'paged-16, sharing',
      reason: expect.stringMatching(/^wrong: prompt 0, token 0: \d+ instead of \d+/),
    })
    expect(recorder.cases.some(({ name }) => name.includes('paged-16'))).toBe(false)
    expect(recorder.cases.length).toBeGreaterThan(0)
  })

  it('keeps what was measured when it is interrupted', async () => {
    const controller = new AbortController()
    const recorded: number[] = []
    let passes = 0
    const { recorder } = await serve('offline', {
      signal: controller.signal,
      options: { scarce: 0 },
      model: {
        onPass: () => {
          if (++passes === 220) controller.abort(new Error('interrupted'))
        },
      },
    })
    for (const { metrics } of recorder.cases) {
      if ('requestsCount' in metrics) recorded.push(metrics['requestsCount'] as number)
    }
    expect(recorded.length).toBeGreaterThan(0)
    // Whole runs of six requests only.
    for (const requests of recorded) expect(requests % 6).toBe(0)
    expect(Math.min(...recorded)).toBeLessThan(18)
    expect(recorder.skipped).toEqual([])
  })

  it('says that there is no engine for other backends', async () => {
    const { recorder } = await serve('offline', {
      settings: { backends: ['flash-attention-3'] },
    })
    expect(recorder.cases).toEqual([])
    expect(recorder.skipped).toEqual([
      {
        case: 'flash-attention-3',
        reason: 'not available: the engine computes on the CPU only so far',
      },
    ])
  })
})

describe('serving online', () => {
  it('sends requests at their times, by chance and replayed, at shares of what is served offline', async () => {
    const served = await serve('online', { options: { rounds: 2 } })
    const { cases, skipped } = served.recorder
    expect(skipped).toEqual([])
    expect(served.reasons).toEqual([])
    const runs = cases.filter(({ metrics }) => 'requestsPerSecond' in metrics)
    expect(new Set(runs.map(({ parameters }) => parameters['arrivals']))).toEqual(
      new Set(['poisson', 'replayed']),
    )
    for (const { metrics } of runs) {
      expect(metrics).toMatchObject({ requestsCount: 12, failedCount: 0 })
      expect(metrics['achievedArrivalsPerSecond']).toMatchObject({ n: 2 })
    }
    const ratios = cases.filter(({ metrics }) => 'speedRatio' in metrics)
    expect(ratios).toHaveLength(8)
    for (const { metrics } of ratios) {
      expect(Object.keys(metrics)).toEqual(['speedRatio', 'ttftSpeedRatio', 'tpotSpeedRatio'])
    }
  })

  it('skips what a trace has no arrivals for', async () => {
    const { recorder } = await serve('online', {
      options: { profile: ['arxiv-sample'], rates: [5], rounds: 1 },
    })
    expect(recorder.skipped).toEqual([
      {
        case: 'arxiv-sample, replayed, rate 5',
        reason: 'this trace has no arrivals to replay',
      },
    ])
    expect(recorder.cases.length).toBeGreaterThan(0)
  })
})
