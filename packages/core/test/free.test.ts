import { describe, expect, it } from 'vitest'

import {
  code,
  makeCache,
  pageBytes,
  sequenceOf,
  stepTo,
  tensors,
  tokensPerPage,
} from './support/caches.ts'
import { fillRows, isZero } from './support/rows.ts'

describe('free', () => {
  it('unmaps nothing; the next sequence adopts the slot, and sees zeroes', () => {
    using cache = makeCache()
    const first = sequenceOf(cache, 5 * tokensPerPage)
    fillRows(cache, first, 0, 5 * tokensPerPage, 5)
    const { driverCalls } = cache.stats()
    cache.free(first)
    expect(cache.stats()).toMatchObject({
      driverCalls,
      mappedBytes: 0,
      parkedBytes: 5 * tensors * pageBytes,
    })
    const second = sequenceOf(cache, 4 * tokensPerPage)
    expect(isZero(cache, second, 0, 4 * tokensPerPage)).toBe(true)
    expect(cache.stats()).toMatchObject({
      mappedBytes: 5 * tensors * pageBytes,
      neededBytes: 4 * tensors * pageBytes,
      surplusBytes: tensors * pageBytes,
      parkedBytes: 0,
      adoptions: 1,
    })
    cache.check()
  })

  it('leaves slots of which the smallest that is enough is adopted, else the largest', () => {
    using cache = makeCache()
    const sequences = [2, 6, 4].map((pages) => sequenceOf(cache, pages * tokensPerPage))
    for (const sequence of sequences) cache.free(sequence)
    const surplus = () => cache.stats().surplusBytes / (tensors * pageBytes)
    const medium = sequenceOf(cache, 3 * tokensPerPage)
    expect(surplus()).toBe(1)
    cache.free(medium)
    const huge = sequenceOf(cache, 9 * tokensPerPage)
    expect(cache.stats().totalBytes).toBe(15 * tensors * pageBytes)
    cache.free(huge)
  })

  it('makes the handle stale, for ever', () => {
    using cache = makeCache({ maxSequences: 1 })
    const seen = new Set<number>()
    for (let i = 0; i < 1000; i++) {
      const { sequence } = cache.allocate()!
      expect(seen.has(sequence)).toBe(false)
      seen.add(sequence)
      cache.free(sequence)
      expect(() => cache.free(sequence)).toThrow(code('STALE_SEQUENCE'))
      expect(() => cache.backedLength(sequence)).toThrow(code('STALE_SEQUENCE'))
    }
  })

  it('refuses what is no sequence, and what is no fence', () => {
    using cache = makeCache()
    const sequence = sequenceOf(cache, 10)
    for (const wrong of [-1, 1.5, NaN, 2 ** 32, '1', undefined]) {
      expect(() => cache.free(wrong as never)).toThrow(code('INVALID_ARGUMENT'))
    }
    expect(() => cache.free(0 as never)).toThrow(code('STALE_SEQUENCE'))
    expect(() => cache.free(sequence, { done: true } as never)).toThrow(code('INVALID_ARGUMENT'))
    expect(cache.backedLength(sequence)).toBe(10)
  })

  it('of a sequence that never stepped leaves nothing', () => {
    using cache = makeCache()
    const { sequence } = cache.allocate()!
    cache.free(sequence)
    const source = sequenceOf(cache, 100)
    const child = cache.fork(source, 64)!
    cache.free(child)
    cache.free(source)
    expect(cache.stats()).toMatchObject({ liveSequences: 0, mappedBytes: 0, sharedBytes: 0 })
    stepTo(cache, cache.allocate()!.sequence, 10)
    cache.check()
  })
})
