import { describe, expect, it } from 'vitest'

import {
  makeCache,
  pageBytes,
  sequenceOf,
  stepTo,
  tensors,
  tokenBytes,
  tokensPerPage,
} from './support/caches.ts'

describe('stats', () => {
  it('has every field of the contract, all of them numbers', () => {
    using cache = makeCache()
    const stats = cache.stats()
    const { stepNsHistogram, ...numbers } = stats
    expect(Object.keys(numbers)).toHaveLength(34)
    expect(Object.values(numbers).every((value) => Number.isSafeInteger(value))).toBe(true)
    expect(stepNsHistogram).toHaveLength(40)
    expect(stats).toMatchObject({ liveSequences: 0, totalBytes: 0, steps: 0, limitBytes: 2 ** 26 })
  })

  it('counts steps and their latency', () => {
    using cache = makeCache()
    const sequence = sequenceOf(cache, 1)
    for (let length = 2; length <= 10; length++) stepTo(cache, sequence, length)
    const { steps, stepsMappedSync, stepNsHistogram } = cache.stats()
    expect(steps).toBe(10)
    expect(stepsMappedSync).toBe(1)
    expect(stepNsHistogram.reduce((sum, count) => sum + count)).toBe(10)
  })

  it.each([
    ['split', tensors, tokensPerPage],
    ['interleaved', 1, tokensPerPage / tensors],
    [{ layerGroup: 1 }, 2, tokensPerPage / 2],
  ] as const)(
    'bounds the waste of a sequence by a page of each tensor (%j)',
    (layout, count, per) => {
      using cache = makeCache({ layout })
      const sequence = sequenceOf(cache, 1)
      for (const length of [1, 2, per - 1, per, per + 1, 3 * per - 1, 5 * per + 1, 2000]) {
        stepTo(cache, sequence, length)
        const { wasteBytes, usedBytes, neededBytes } = cache.stats()
        expect(usedBytes).toBe(length * tokenBytes)
        expect(neededBytes - usedBytes).toBe(wasteBytes)
        expect(wasteBytes).toBeLessThan(count * pageBytes)
        if (length % per === 0) expect(wasteBytes).toBe(0)
      }
    },
  )

  it('bounds it with large page classes as well', () => {
    using cache = makeCache({ pageBytes: [pageBytes, 2 ** 21], layout: 'interleaved' })
    const sequence = sequenceOf(cache, 1)
    for (const length of [1, 511, 512, 513, 1000, 1024, 2047]) {
      stepTo(cache, sequence, length)
      expect(cache.stats().wasteBytes).toBeLessThan(pageBytes)
    }
    expect(cache.stats().pagesCreated).toBeLessThan((2047 * tokenBytes) / pageBytes)
    cache.check()
  })
})
