import { describe, expect, it } from 'vitest'

import {
  atLeast,
  atMost,
  attentionFlop,
  causalPairs,
  interval,
  latencies,
  layerTokenBytes,
  median,
  nearlyNormal,
  randomOf,
  ratio,
  summarize,
} from '../../src/harness/index.ts'
import { namedShape } from '../../src/suite/index.ts'

describe('statistics', () => {
  it('the median of an even number lies between two', () => {
    expect(median([4, 1, 3, 2])).toBe(2.5)
    expect(median([7])).toBe(7)
    expect(median([])).toBeNaN()
  })

  it('the interval of the median contains it and shrinks with more samples', () => {
    const random = randomOf(1)
    const draw = (count: number) => Array.from({ length: count }, () => nearlyNormal(random))
    const [few, many] = [draw(20), draw(2000)]
    const [wide, narrow] = [interval(few, random)!, interval(many, random)!]
    expect(wide.low).toBeLessThanOrEqual(median(few))
    expect(wide.high).toBeGreaterThanOrEqual(median(few))
    expect(narrow.high - narrow.low).toBeLessThan((wide.high - wide.low) / 3)
    expect(interval([], random)).toBeUndefined()
    expect(interval([5, NaN], random)).toEqual({ low: 5, high: 5 })
    // Of two values a resample is the lower, the upper or both: their mean half of the times.
    expect(interval([1, 3], random)).toEqual({ low: 1, high: 3 })
  })

  it('a ratio is taken within rounds, where a drift cancels', () => {
    const below = Array.from({ length: 50 }, (_, i) => 1 + i)
    const above = below.map((value) => 1.5 * value)
    above[3] = NaN
    const found = ratio(above, below, randomOf(2))
    expect(found).toMatchObject({ n: 49, median: 1.5, low: 1.5, high: 1.5 })
  })

  it('summaries and latencies name what they are, and have null for what there is none of', () => {
    const values = Array.from({ length: 101 }, (_, i) => i)
    expect(summarize(values, randomOf(5))).toMatchObject({
      ...{ n: 101, median: 50, p10: 10, p90: 90, min: 0, max: 100 },
    })
    expect(latencies(values)).toEqual({ n: 101, p50: 50, p90: 90, p99: 99, p999: 99.9, max: 100 })
    expect(summarize([], randomOf(5))).toMatchObject({ n: 0, median: null, low: null })
    expect(latencies([])).toMatchObject({ n: 0, p50: null, max: null })
  })
})

describe('formulas', () => {
  it.each([
    [1, 1],
    [5, 5],
    [3, 10],
    [1, 64],
  ])('%i queries over %i keys see as many pairs as are counted', (queries, keys) => {
    let pairs = 0
    for (let i = 0; i < queries; i++) pairs += keys - queries + 1 + i
    expect(causalPairs(queries, keys)).toBe(pairs)
  })

  it('a layer of Llama-3-8B', () => {
    const llama = namedShape('llama-3-8b')
    expect(layerTokenBytes(llama)).toBe(4096)
    expect(attentionFlop(llama, causalPairs(8192, 8192))).toBeCloseTo(5.498e11, -8)
  })
})

describe('bars', () => {
  it('are judged by the median and tell when the interval does not decide', () => {
    const between = { median: 1.01, low: 0.98, high: 1.03 }
    expect(atLeast('x', between, 1)).toMatchObject({ met: true, decided: false })
    expect(atMost('x', between, 1)).toMatchObject({ met: false, decided: false })
    expect(atMost('x', 0.5, 1)).toEqual({
      ...{ name: 'x', value: 0.5, kind: 'atMost', bar: 1, met: true },
    })
  })

  it('what was not measured is neither met nor missed', () => {
    for (const nothing of [undefined, null, NaN, { median: null, low: null, high: null }]) {
      expect(atLeast('x', nothing, 1)).toMatchObject({ met: null, value: null })
    }
  })
})
