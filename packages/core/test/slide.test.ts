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
import { fillRows, hasRows } from './support/rows.ts'

describe('slide', () => {
  it('gives back the pages that lie wholly before the window, less the lead rows', () => {
    using cache = makeCache({ leadRows: 10 })
    const sequence = sequenceOf(cache, 10 * tokensPerPage)
    fillRows(cache, sequence, 0, 10 * tokensPerPage, 5)
    cache.slide(sequence, 4 * tokensPerPage + 9)
    stepTo(cache, sequence, 10 * tokensPerPage)
    // One page more is kept for the lead rows.
    expect(cache.stats().mappedBytes).toBe(7 * tensors * pageBytes)
    expect(hasRows(cache, sequence, 4 * tokensPerPage - 1, 10 * tokensPerPage, 5)).toBe(true)
    expect(cache.backedLength(sequence)).toBe(10 * tokensPerPage)
    cache.check()
  })

  it('lets a sequence run on for ever in the memory of its window', () => {
    const window = 2 * tokensPerPage
    using cache = makeCache({ leadRows: 0, limitBytes: 4 * tensors * pageBytes })
    const sequence = sequenceOf(cache, 1)
    for (let length = 1; length <= 2048; length += 16) {
      stepTo(cache, sequence, length)
      if (length > window) cache.slide(sequence, length - window)
    }
    expect(cache.stats().totalBytes).toBeLessThanOrEqual(4 * tensors * pageBytes)
    cache.check()
  })

  it('never slides back', () => {
    using cache = makeCache({ leadRows: 0 })
    const sequence = sequenceOf(cache, 300)
    fillRows(cache, sequence, 0, 300, 5)
    cache.slide(sequence, 200)
    cache.slide(sequence, 100)
    expect(hasRows(cache, sequence, 200, 300, 5)).toBe(true)
    expect(() => cache.fork(sequence, 150)).toThrow(code('INVALID_ARGUMENT'))
    cache.check()
  })

  it('refuses what the sequence does not have', () => {
    using cache = makeCache()
    const sequence = sequenceOf(cache, 100)
    const freed = sequenceOf(cache, 1)
    cache.free(freed)
    for (const first of [101, -1, 0.5, 2049]) {
      expect(() => cache.slide(sequence, first)).toThrow(code('INVALID_ARGUMENT'))
    }
    expect(() => cache.slide(freed, 0)).toThrow(code('STALE_SEQUENCE'))
  })
})
