import { describe, expect, it } from 'vitest'

import { openBackends, type OpenBackends } from '../../src/harness/index.ts'
import { namedCache, namedShape } from '../../src/suite/index.ts'
import { overhead, overheadWith } from '../../src/suites/overhead.ts'
import type { NativeOverhead } from '../../src/suites/overhead/native.ts'
import { casesOf, runSuite, SteppingClock } from './support/run-suite.ts'
import { wrappedBackends } from './support/wrapped-backend.ts'

const settings = {
  shapes: [namedShape('3/4/2/64')],
  caches: ['interleaved', 'paged-16'].map(namedCache),
}
const options = { passes: 20, sequences: 2, length: 4, calls: 4 }

const fromNothing: NativeOverhead = {
  passes: () => Promise.resolve([]),
  calls: () => Promise.resolve([]),
}

describe('the suite overhead', () => {
  it('times step, prepare and the layers of a pass, by the clock that it was given', async () => {
    const run = await runSuite(overheadWith(openBackends, fromNothing), options, settings, {
      clock: new SteppingClock(0.5),
    })
    expect(run.reasons).toEqual([])
    const cases = casesOf(run, { backend: 'cpu', sequences: 2, tokens: 4, layers: 3 })
    expect(cases.map(({ parameters }) => parameters.cache)).toEqual(['interleaved', 'paged-16'])
    for (const { metrics, samples, maxError } of cases) {
      expect(maxError).toBeLessThan(0.02)
      // Three rounds at least, of a block each.
      expect(samples!.runUs!.length % 20).toBe(0)
      // Each of the three takes one step of the clock.
      for (const key of ['stepUs', 'prepareUs', 'runUs']) {
        expect(metrics[key]).toMatchObject({ median: 500, min: 500, max: 500 })
      }
      expect(metrics.layerUs).toMatchObject({ median: expect.closeTo(500 / 3, 2) as number })
      expect(metrics.totalUs).toMatchObject({ median: 1000, p99: 1000 })
      expect(metrics.passUs).toMatchObject({ median: 1500, p50: 1500 })
    }
  })

  it('has the same from C++ beside it, of the same sequences, cache and layers', async () => {
    const quick = { ...options, calls: 50 }
    const caches = ['split', 'interleaved', 'paged-16', 'layer-group-2'].map(namedCache)
    const run = await runSuite(overhead, quick, { ...settings, caches, quick: true })
    for (const cache of ['split', 'interleaved', 'paged-16']) {
      const [pass] = casesOf(run, { backend: 'cpu', cache, layers: 3 })
      // Twenty passes of a process before, and of one after.
      expect(pass!.metrics.nativeTotalUs).toMatchObject({ n: 40 })
      expect(pass!.metrics.nativeLayerUs).toMatchObject({ n: 40 })
      const [call] = casesOf(run, { part: 'call', cache, sequences: 64 })
      expect(call!.metrics.nativeCallUs).toMatchObject({ n: 10 })
    }
    const [grouped] = casesOf(run, { backend: 'cpu', cache: 'layer-group-2', layers: 3 })
    expect(grouped!.metrics).not.toHaveProperty('nativeTotalUs')
    expect(run.recorder.skipped).toContainEqual({
      case: 'C++: cpu layer-group-2',
      reason: 'a cache "layer-group-2" is not measured from C++',
    })
  })

  it('puts what C++ took beside the cache that it took it over', async () => {
    const native: NativeOverhead = {
      passes: () =>
        Promise.resolve([
          { backend: 'cpu', cache: 'paged-16', prepareUs: [1, 3], runUs: [6, 12] },
          { backend: 'other', cache: 'interleaved', prepareUs: [9], runUs: [9] },
        ]),
      calls: () =>
        Promise.resolve([{ backend: 'cpu', cache: 'paged-16', sequences: 8, callUs: [0.25] }]),
    }
    const run = await runSuite(overheadWith(openBackends, native), options, settings)
    const metricsOf = (parameters: Parameters<typeof casesOf>[1]) =>
      casesOf(run, parameters).map(({ metrics }) => metrics)
    expect(metricsOf({ cache: 'paged-16', layers: 3 })).toMatchObject([
      { nativeTotalUs: { n: 4, median: 11 }, nativeLayerUs: { n: 4, median: 3 } },
    ])
    expect(metricsOf({ cache: 'interleaved', layers: 3 })[0]).not.toHaveProperty('nativeTotalUs')
    expect(metricsOf({ part: 'call', cache: 'paged-16', sequences: 8 })).toMatchObject([
      { nativeCallUs: { n: 2, median: 0.25 } },
    ])
    for (const metrics of metricsOf({ part: 'call', cache: 'paged-16', sequences: 1 })) {
      expect(metrics).not.toHaveProperty('nativeCallUs')
    }
  })

  it('refuses a backend whose results are wrong, and does not time it', async () => {
    const wrong: OpenBackends = async (...args) => {
      const opened = await openBackends(...args)
      const backend = opened.found.get('cpu')!
      const createPlan = backend.createPlan.bind(backend)
      backend.createPlan = (...parts) => {
        const plan = createPlan(...parts)
        const run = plan.run.bind(plan)
        // Another layer's keys and values.
        plan.run = (one) => run({ ...one, layer: (one.layer + 1) % 3 })
        return plan
      }
      return opened
    }
    const run = await runSuite(overheadWith(wrong, fromNothing), options, settings)
    expect(run.recorder.cases).toEqual([])
    expect(run.recorder.wrong.map((one) => one.case)).toEqual(['cpu interleaved', 'cpu paged-16'])
  })

  describe('one call of plan.run beyond its kernel', () => {
    async function measure(quick: boolean, stepMs: number) {
      const rows: number[] = []
      const backends = wrappedBackends({
        cpu: { afterRun: ({ query }) => rows.push(query.shape[0]!) },
      })
      const caches = ['split', 'paged-16'].map(namedCache)
      const run = await runSuite(
        overheadWith(backends, fromNothing),
        options,
        { ...settings, caches, quick },
        { clock: new SteppingClock(stepMs) },
      )
      expect(run.reasons).toEqual([])
      return { run, rows }
    }

    it('is a part of a sample of calls that have no new tokens', async () => {
      const { run, rows } = await measure(true, 0.5)
      const cases = casesOf(run, { part: 'call', backend: 'cpu' })
      expect(cases.map(({ parameters }) => [parameters.cache, parameters.sequences])).toEqual(
        ['split', 'paged-16'].flatMap((cache) => [1, 8, 64].map((count) => [cache, count])),
      )
      for (const { metrics } of cases) {
        // A step of the clock for the four calls of a sample.
        expect(metrics.callUs).toMatchObject({ n: 5, median: 125, min: 125, max: 125 })
      }
      // Five rounds and two before them, of six batches.
      expect(rows.filter((count) => count === 0)).toHaveLength((5 + 2) * 6 * 4)
      expect(run.recorder.bars).toEqual([])
    })

    it('has a bar in a full run, over the default layout', async () => {
      const bars = async (stepMs: number) => (await measure(false, stepMs)).run.recorder.bars
      const met = await bars(0.004)
      expect(met.map(({ name }) => name)).toEqual(
        [1, 8, 64].map((count) => `cpu split: plan.run of ${count} without new tokens`),
      )
      for (const one of met) expect(one).toMatchObject({ kind: 'atMost', bar: 2, met: true })
      for (const one of await bars(0.012)) expect(one).toMatchObject({ value: 3, met: false })
    })
  })
})
