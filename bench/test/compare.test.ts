import { describe, expect, it } from 'vitest'

import {
  compareResults,
  compareSets,
  comparisonSetText,
  comparisonText,
  renderComparison,
  renderComparisonSet,
  type Result,
} from '../src/index.ts'
import { committed } from './support/committed.ts'
import { rate, resultOf, timed } from './support/result.ts'

const sourced = (source: string, result: Result) => ({ source, result })
const of = (source: string, ...cases: Parameters<typeof resultOf>[0]) =>
  sourced(source, resultOf(cases))

describe('comparing two results', () => {
  it('finds what takes twice the time, and says so with status 3', () => {
    const before = of('a.json', timed('steady', 10), timed('slowed', 10))
    const after = of('b.json', timed('steady', 10.2), timed('slowed', 20))
    const comparison = compareResults(before, after)
    expect(comparison.exitStatus).toBe(3)
    expect(comparison.regressions.map(({ caseName }) => caseName)).toEqual(['slowed'])
    expect(comparison.regressions[0]).toMatchObject({ worseBy: 1, limit: 0.05, verdict: 'slower' })
    expect(comparisonText(comparison)).toMatch(
      /Slower:\n {2}slowed, ms: 10 -> 20 ms, 100\.0 % \(counts from 5\.0 %\)\n/,
    )
  })

  it('is the mirror image in the other direction, and no regression', () => {
    const comparison = compareResults(of('a', timed('x', 20)), of('b', timed('x', 10)))
    expect(comparison.metrics).toMatchObject([{ worseBy: -1, verdict: 'faster' }])
    expect(comparison.exitStatus).toBe(0)
  })

  it('knows that rates go the other way', () => {
    const rate = (tflops: number) => ({
      ...timed('x', 1),
      metrics: { tflops: { n: 9, median: tflops, low: tflops, high: tflops } },
    })
    expect(compareResults(of('a', rate(600)), of('b', rate(300))).metrics).toMatchObject([
      { worseBy: 1, verdict: 'slower' },
    ])
  })

  it('takes a rate for each GHz as what explains a rate, not as one', () => {
    const [a, b] = [400, 200].map((each) => ({
      ...timed('x', 10),
      metrics: { tflopsPerGhz: { n: 9, median: each, low: each, high: each } },
    }))
    const { exitStatus, metrics } = compareResults(of('a', a!), of('b', b!))
    expect(metrics).toMatchObject([{ verdict: 'unjudged', reason: 'neither way is better' }])
    expect(exitStatus).toBe(0)
  })

  it('takes three times the larger spread where that is more than 5 %', () => {
    const before = of('a', timed('x', 10, 0.01))
    expect(compareResults(before, of('b', timed('x', 12.9, 0.1)))).toMatchObject({
      exitStatus: 0,
      metrics: [{ verdict: 'same' }],
    })
    expect(compareResults(before, of('b', timed('x', 13.1, 0.1))).exitStatus).toBe(3)
  })

  it('takes a threshold that is given, whatever the spread', () => {
    const before = of('a', timed('x', 10, 0.2))
    const after = of('b', timed('x', 11, 0.2))
    expect(compareResults(before, after).exitStatus).toBe(0)
    expect(compareResults(before, after, { threshold: 0.09 }).exitStatus).toBe(3)
    expect(() => compareResults(before, after, { threshold: 0 })).toThrow(RangeError)
  })

  it('does not judge one number whose noise nobody knows, but counted waste', () => {
    const once = (metrics: Record<string, number>) => ({ ...timed('x', 1), metrics })
    const { metrics } = compareResults(
      of('a', once({ ms: 1, wasteBytes: 100, heldBytes: 1 })),
      of('b', once({ ms: 2, wasteBytes: 200, heldBytes: 2 })),
    )
    expect(metrics.map(({ metric, verdict }) => [metric, verdict])).toEqual([
      ['ms', 'unjudged'],
      ['wasteBytes', 'slower'],
      ['heldBytes', 'unjudged'],
    ])
  })

  it('names what only one of them has, and what makes it doubtful', () => {
    const a = of('a', timed('gone', 1))
    const b = of('b', timed('new', 1))
    const comparison = compareResults(a, {
      ...b,
      result: { ...b.result, label: 'smoke', host: { ...b.result.host, cores: 64 } },
    })
    expect(comparison).toMatchObject({ onlyInA: ['gone'], onlyInB: ['new'], metrics: [] })
    expect(comparison.doubts).toEqual([
      'numbers of cores differ: 2, 64',
      'b is a smoke run, which gives no figures',
    ])
  })

  describe('on a machine whose own speed has changed', () => {
    const gauges = (copyingGbPerSecond: number, newMemoryGbPerSecond: number) => ({
      copyingGbPerSecond: rate(copyingGbPerSecond),
      newMemoryGbPerSecond: rate(newMemoryGbPerSecond),
    })
    const times = [timed('a tenth', 11), timed('a fifth', 12), timed('a third', 13.3)]
    const before = (more: Partial<Result>) =>
      sourced(
        'a',
        resultOf(
          times.map(({ name }) => timed(name, 10)),
          more,
        ),
      )
    const slower = (kind: Result['kind'], [copying, fresh]: [number, number]) =>
      compareResults(
        before({ kind, machine: gauges(10, 2) }),
        sourced('b', resultOf(times, { kind, machine: gauges(copying, fresh) })),
      )
    const names = ({ regressions }: ReturnType<typeof slower>) =>
      regressions.map(({ caseName }) => caseName)

    it('times have as much more room, whichever way it changed', () => {
      expect(names(slower('memory', [10, 2]))).toEqual(['a tenth', 'a fifth', 'a third'])
      expect(names(slower('memory', [9, 2]))).toEqual(['a fifth', 'a third'])
      expect(names(slower('memory', [11, 2]))).toEqual(['a fifth', 'a third'])
      expect(names(slower('memory', [10, 1.6]))).toEqual(['a third'])
    })

    it('a case that tells of the machine around it counts by that', () => {
      const around = (readingGbPerSecond: number, one: ReturnType<typeof timed>) => ({
        ...one,
        machine: { readingGbPerSecond },
      })
      const of = (source: string, reading: number, ms: number) =>
        sourced(
          source,
          resultOf([around(reading, timed('x', ms)), timed('y', ms)], { machine: gauges(10, 2) }),
        )
      const compared = compareResults(of('a', 40, 10), of('b', 20, 15))
      expect(compared.metrics).toMatchObject([
        { caseName: 'x', verdict: 'same', limit: 1.05 },
        { caseName: 'y', verdict: 'slower', limit: 0.05 },
      ])
    })

    it('new memory is nothing to kernels', () => {
      expect(names(slower('kernel', [10, 1]))).toEqual(['a tenth', 'a fifth', 'a third'])
    })

    it('so have ratios of rounds; what is the same each time has not', () => {
      const metrics = (by: number) => [
        {
          ...timed('x', 1),
          metrics: { splitSpeedRatio: rate(1 / by), wasteBytes: 1000 * by },
        },
      ]
      const of = (by: number, copying: number) =>
        sourced('x', resultOf(metrics(by), { machine: gauges(copying, 2) }))
      const worse = (by: number, copying: number) =>
        compareResults(of(1, 10), of(by, copying)).regressions.map(({ metric }) => metric)
      expect(worse(1.2, 10)).toEqual(['splitSpeedRatio', 'wasteBytes'])
      expect(worse(1.2, 8)).toEqual(['wasteBytes'])
      expect(worse(1.5, 8)).toEqual(['splitSpeedRatio', 'wasteBytes'])
    })

    it('says how much', () => {
      const comparison = slower('memory', [8, 2])
      const text = /The machine itself.*\n {2}copying: 10 -> 8 GB\/s, 25\.0 % slower\n/
      expect(comparisonText(comparison)).toMatch(text)
      expect(renderComparison(comparison)).toContain('copying: 10, then 8 GB/s, 25.0 % slower')
    })

    it('doubts results that do not tell', () => {
      const { machine: _, ...old } = resultOf(times)
      const { doubts, exitStatus } = compareResults(before({}), sourced('b', old))
      expect(doubts).toEqual([expect.stringMatching(/how fast the machine itself was/)])
      expect(exitStatus).toBe(3)
    })
  })

  it('does not judge percentiles of a few samples', () => {
    const waits = (n: number, p50: number) => ({
      ...timed('x', 1),
      metrics: { ttftMs: { n, p50, p90: 1.1 * p50, p99: null, max: 1.1 * p50 } },
    })
    const verdict = (n: number) => compareResults(of('a', waits(n, 10)), of('b', waits(n, 20)))
    expect(verdict(1).metrics).toMatchObject([
      { verdict: 'unjudged', reason: 'its spread is not known' },
    ])
    expect(verdict(9).exitStatus).toBe(0)
    expect(verdict(10).exitStatus).toBe(3)
  })

  it('refuses results of different benches', async () => {
    const [decode, prefill] = await committed(/h200.(decode|prefill)/)
    expect(() => compareResults(decode!, prefill!)).toThrow(
      expect.objectContaining({ code: 'ERR_VATTENTION_RESULT_MISMATCH' }),
    )
  })

  it('finds no committed result slower than itself', async () => {
    for (const one of await committed()) {
      const { metrics, exitStatus } = compareResults(one, one)
      expect(exitStatus).toBe(0)
      expect(metrics.every(({ worseBy }) => worseBy === null || worseBy === 0)).toBe(true)
    }
  })

  it('is a page, too, with names escaped', () => {
    const text = renderComparison(
      compareResults(of('a', timed('<b>&', 10)), of('b', timed('<b>&', 20))),
    )
    expect(text).toContain('&lt;b&gt;&amp;')
    expect(text).not.toContain('<b>&')
    expect(text).toContain('100.0 %')
  })
})

describe('comparing two collections of results', () => {
  const device = {
    name: 'NVIDIA H200',
    computeCapability: '9.0',
    memoryBytes: 2 ** 37,
    driver: '580',
    cuda: '13.0',
    maxSmClockMhz: 1980,
    powerLimitW: 700,
    clocksBefore: null,
    clocksAfter: null,
  }
  const result = (source: string, ms: number, more: Partial<Result> = {}) =>
    sourced(source, resultOf([timed('x', ms)], more))

  it('pairs them by bench and device', () => {
    const set = compareSets(
      [
        result('a/decode.json', 10, { bench: 'decode' }),
        result('a/gpu.json', 1, { bench: 'decode', device }),
        result('a/step.json', 5, { bench: 'step' }),
      ],
      [
        result('b/gpu.json', 2, { bench: 'decode', device }),
        result('b/decode.json', 10, { bench: 'decode' }),
        result('b/vmm.json', 5, { bench: 'vmm' }),
      ],
    )
    expect(set.comparisons.map(({ a, b }) => [a.source, b.source])).toEqual([
      ['a/decode.json', 'b/decode.json'],
      ['a/gpu.json', 'b/gpu.json'],
    ])
    expect(set).toMatchObject({
      onlyInA: ['step on CPU'],
      onlyInB: ['vmm on CPU'],
      doubts: [],
      exitStatus: 3,
    })
    const text = comparisonSetText(set)
    expect(text).toContain('2 comparisons: 1 slower, 0 faster, 1 the same within noise')
    expect(text).toContain('With something slower:\n  decode on NVIDIA H200')
    const page = renderComparisonSet(set)
    expect(page.indexOf('<h2>decode on NVIDIA H200')).toBeLessThan(
      page.indexOf('<h2>decode on CPU'),
    )
  })

  it('takes the newest full run of each, and says so', () => {
    const at = (hour: number, more: Partial<Result> = {}) => ({
      startedAt: `2026-01-02T0${hour}:00:00.000Z`,
      ...more,
    })
    const set = compareSets(
      [
        result('old', 10, at(1)),
        result('new', 20, at(3)),
        result('smoke', 99, at(5, { label: 'smoke' })),
      ],
      [result('after', 20, at(6))],
    )
    expect(set.comparisons.map(({ a }) => a.source)).toEqual(['new'])
    expect(set.exitStatus).toBe(0)
    expect(set.doubts).toEqual(['a has 3 results of example on CPU: the newest is compared, new'])
    expect(comparisonSetText(set)).toContain(set.doubts[0])
    expect(renderComparisonSet(set)).toContain(set.doubts[0])
  })

  it('has the doubts of every pair', () => {
    const set = compareSets([result('a', 1)], [result('b', 1, { label: 'smoke' })])
    expect(set.comparisons[0]!.doubts).toEqual(['b is a smoke run, which gives no figures'])
    expect(renderComparisonSet(set)).toContain('b is a smoke run')
  })

  it('refuses what has nothing in common', () => {
    expect(() => compareSets([result('a', 1)], [result('b', 1, { bench: 'other' })])).toThrow(
      /before has example on CPU, after has other on CPU/,
    )
  })
})
