import { setImmediate as turn } from 'node:timers/promises'

import { describe, expect, it } from 'vitest'

import { HostDevice, systemClock, type OpenBackends } from '../../src/harness/index.ts'
import { placedCases, resultReasons, type MeasuredCase } from '../../src/result/index.ts'
import { namedCache, namedShape, Recorder } from '../../src/suite/index.ts'
import { runSuite as runWhole } from '../../src/suite/run-suite.ts'
import { makeOverlap } from '../../src/suites/overlap.ts'
import { overlapBars } from '../../src/suites/overlap/bars.ts'
import { MapperChurn, type Churn } from '../../src/suites/overlap/churn.ts'
import { HandClock } from './support/hand-clock.ts'
import { casesOf, runSuite } from './support/run-suite.ts'
import { scale, wrappedBackends } from './support/wrapped-backend.ts'

const shape = namedShape('2/4/2/16')
const settings = { shapes: [shape], caches: [namedCache('split')] }
const options = { batches: [{ sequences: 2, tokens: 24 }], lengths: [40], demand: 2, threads: 1 }
const freeBytes = 2 ** 34

/** A mapper that maps nothing: what it would have mapped, attention tells it. */
class ToldChurn implements Churn {
  readonly started: number[] = []
  disposed = 0
  gbPerSecond = 0
  mapped = 0
  failure: Error | undefined

  start(gbPerSecond: number): void {
    this.started.push(gbPerSecond)
    this.gbPerSecond = gbPerSecond
  }
  stop(): Promise<void> {
    const ran = this.gbPerSecond > 0
    this.gbPerSecond = 0
    return ran && this.failure ? Promise.reject(this.failure) : Promise.resolve()
  }
  bytes() {
    return { mapped: this.mapped, unmapped: this.mapped / 2 }
  }
  dispose(): Promise<void> {
    this.disposed++
    return Promise.resolve()
  }
}

/** A run takes 10 ms alone, 11 ms beside the demand and 12 ms beside unthrottled mapping. */
function costing(clock: HandClock, churn: ToldChurn, ...names: string[]): OpenBackends {
  const afterRun = () => {
    const { gbPerSecond } = churn
    const [ms, rate] =
      gbPerSecond === 0 ? [10, 0] : gbPerSecond === Infinity ? [12, 20] : [11, gbPerSecond]
    clock.advance(ms)
    churn.mapped += rate * ms * 1e6
  }
  return wrappedBackends(Object.fromEntries(names.map((name) => [name, { afterRun }])))
}

async function run(names: readonly string[], more: { readonly backends?: string[] } = {}) {
  const [clock, churn] = [new HandClock(), new ToldChurn()]
  const suite = makeOverlap(costing(clock, churn, ...names), () => churn)
  return {
    churn,
    ...(await runSuite(suite, options, { ...settings, ...more }, { clock, freeBytes })),
  }
}

describe('the suite overlap', () => {
  it('has the time beside each mapping over the time alone, and what was mapped meanwhile', async () => {
    const made = await run(['cpu'])
    expect(made.reasons).toEqual([])
    expect(made.recorder.skipped).toEqual([])
    for (const where of [
      { task: 'decode', sequences: 2, tokens: 24 },
      { task: 'prefill', sequences: 1, tokens: 40 },
    ]) {
      const about = { ...where, backend: 'cpu', cache: 'split', shape: shape.name }
      const [none, demand, unthrottled, ...rest] = casesOf(made, about)
      expect(rest).toEqual([])
      expect(none!.parameters.mapping).toBe('none')
      expect(none!.metrics.timeRatio).toMatchObject({ n: 5, median: 1, low: 1, high: 1 })
      expect(none!.metrics).not.toHaveProperty('mappedGbPerSecond')
      expect(demand!.parameters.mapping).toBe('demand')
      expect(demand!.metrics).toMatchObject({
        timeRatio: { n: 5, median: 1.1 },
        ms: { median: 11 },
        quietMs: { median: 10 },
        mappedGbPerSecond: { median: 2 },
        unmappedGbPerSecond: { median: 1 },
      })
      expect(unthrottled!.parameters.mapping).toBe('unthrottled')
      expect(unthrottled!.metrics).toMatchObject({
        timeRatio: { median: 1.2 },
        mappedGbPerSecond: { median: 20 },
      })
      expect(unthrottled!.samples).toMatchObject({
        ms: new Array(5).fill(12),
        quietMs: new Array(5).fill(10),
      })
      expect(unthrottled!.maxError).toBeLessThan(0.02)
    }
  })

  it('enqueues the launches of a GPU, and waits for them while the mapper goes on', async () => {
    const [clock, churn] = [new HandClock(), new ToldChurn()]
    using device = new HostDevice(clock, 2 ** 16)
    Object.defineProperty(device, 'isGpu', { value: true })
    device.freeBytes = () => freeBytes
    let waits = 0
    device.synchronize = () => {
      if (churn.gbPerSecond > 0) waits++
      return Promise.resolve()
    }
    const made = await runWhole(
      makeOverlap(costing(clock, churn, 'cpu'), () => churn),
      {
        settings: { quick: true, budgetSeconds: 1e3, seed: 1, ...settings },
        ...{ options, device, clock, command: 'test', signal: new AbortController().signal },
      },
    )
    expect(made.failure).toBe(undefined)
    expect(resultReasons(made.result)).toEqual([])
    expect(made.result.skipped).toEqual([])
    expect(
      placedCases(made.result).map(({ parameters, metrics }) => [
        parameters.mapping,
        (metrics.timeRatio as { median: number }).median,
      ]),
    ).toEqual(
      [...Array<number>(2)].flatMap(() => [
        ['none', 1],
        ['demand', 1.1],
        ['unthrottled', 1.2],
      ]),
    )
    // Of two tasks, two mappings, five rounds and one to warm up.
    expect(waits).toBe(24)
  })

  it('starts each mapping once a round, and gives its memory back', async () => {
    const { churn } = await run(['cpu'])
    // Of two tasks, five rounds and one to warm up.
    const of = (rate: number) => churn.started.filter((one) => one === rate)
    expect(of(2)).toHaveLength(12)
    expect(of(Infinity)).toHaveLength(12)
    expect(churn.started).toHaveLength(24)
    expect(churn.disposed).toBe(2)
  })

  it('measures the first backend that serves the cache, or those that were asked for', async () => {
    const backendsOf = ({ recorder }: { readonly recorder: Recorder }) => [
      ...new Set(recorder.cases.map(({ parameters }) => parameters.backend)),
    ]
    expect(backendsOf(await run(['one', 'two']))).toEqual(['one'])
    const backends = ['one', 'two']
    expect(backendsOf(await run(backends, { backends }))).toEqual(backends)
  })

  it('refuses a backend whose results are wrong, and maps nothing beside it', async () => {
    const churn = new ToldChurn()
    const afterRun = ({ output }: { readonly output: Parameters<typeof scale>[0] }) =>
      scale(output, 1.1)
    const suite = makeOverlap(wrappedBackends({ cpu: { afterRun } }), () => churn)
    const made = await runSuite(suite, options, settings, { clock: new HandClock(), freeBytes })
    expect(made.recorder.cases).toEqual([])
    expect(made.recorder.wrong).toHaveLength(2)
    expect(churn.started).toEqual([])
  })

  it('says why nothing was measured when the mapper fails', async () => {
    const [clock, churn] = [new HandClock(), new ToldChurn()]
    churn.failure = new Error('the device is full')
    const suite = makeOverlap(costing(clock, churn, 'cpu'), () => churn)
    const { recorder } = await runSuite(suite, options, settings, { clock, freeBytes })
    expect(recorder.cases).toEqual([])
    expect(recorder.skipped).toEqual(
      ['decode of 2 x 24', 'prefill of 40 tokens'].map((name) => ({
        case: name,
        reason: 'the device is full',
      })),
    )
    expect(churn.disposed).toBe(2)
  })
})

describe('the mapper beside attention', () => {
  const turnBytes = 4 * 2 ** 20
  const open = () => {
    const device = new HostDevice(systemClock, 2 ** 16)
    return new MapperChurn({ device, clock: new HandClock() }, shape)
  }
  async function until(reached: () => boolean) {
    while (!reached()) await turn()
  }

  it('maps and unmaps until it is stopped, and leaves nothing mapped', async () => {
    const churn = open()
    try {
      churn.start(Infinity)
      await until(() => churn.bytes().unmapped > 2 * turnBytes)
      await churn.stop()
      const { mapped, unmapped } = churn.bytes()
      expect(mapped).toBe(unmapped)
      for (let i = 0; i < 10; i++) await turn()
      expect(churn.bytes()).toEqual({ mapped, unmapped })
      churn.start(Infinity)
      await until(() => churn.bytes().mapped > mapped)
      await churn.stop()
    } finally {
      await churn.dispose()
    }
  })

  it('waits for its next turn, and is stopped while it waits', async () => {
    const churn = open()
    try {
      // Ten minutes a turn, or twice that.
      churn.start(turnBytes / 6e11)
      await until(() => churn.bytes().unmapped >= turnBytes)
      for (let i = 0; i < 10; i++) await turn()
      const { mapped, unmapped } = churn.bytes()
      expect(mapped).toBe(unmapped)
      expect(mapped).toBeLessThan(3 * turnBytes)
      await churn.stop()
      expect(churn.bytes()).toEqual({ mapped, unmapped })
    } finally {
      await churn.dispose()
    }
  })
})

describe('the bars of overlap', () => {
  const summary = (median: number, high = median) => ({ n: 10, median, low: median, high })
  const one = (mapping: string, high: number, mapped: number, model = 'llama-3-8b') => ({
    name: `fa3 interleaved, decode of 16 x 16K, ${mapping}`,
    parameters: { shape: model, mapping },
    metrics: {
      timeRatio: summary(1.001, high),
      mappedGbPerSecond: summary(mapped),
      unmappedGbPerSecond: summary(mapped),
    },
  })
  function barsOf(name: string, quick: boolean, ...cases: MeasuredCase[]) {
    const recorder = new Recorder()
    for (const each of cases) recorder.add(each)
    const device = { name } as Parameters<typeof overlapBars>[0]['device']
    overlapBars({ device, settings: { quick, budgetSeconds: 1, seed: 1 }, recorder })
    return recorder.bars
  }

  it('are of the upper bound, where something was mapped', () => {
    const bars = barsOf(
      'NVIDIA H200',
      false,
      one('none', 1.5, 0),
      one('demand', 1.019, 3.1),
      one('unthrottled', 1.03, 20),
      one('unthrottled', 1.01, 0),
      one('demand', 1.5, 3, 'yi-6b'),
    )
    expect(bars.map(({ value, met, bar, kind }) => ({ value, met, bar, kind }))).toEqual([
      { value: 1.019, met: true, bar: 1.02, kind: 'atMost' },
      { value: 1.03, met: false, bar: 1.02, kind: 'atMost' },
      { value: null, met: null, bar: 1.02, kind: 'atMost' },
    ])
    expect(bars[0]!.note).toBe('3.1 GB/s mapped, 3.1 unmapped')
  })

  it('are those of one GPU, and of full runs', () => {
    expect(barsOf('NVIDIA A100', false, one('demand', 1, 3))).toEqual([])
    expect(barsOf('NVIDIA H200', true, one('demand', 1, 3))).toEqual([])
  })
})
