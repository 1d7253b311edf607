import { describe, expect, it } from 'vitest'

import { code, makeCache, sequenceOf, statesOf, stepTo, u32 } from './support/caches.ts'
import { fillRows, hasRows } from './support/rows.ts'

describe('truncate', () => {
  it('forgets tokens from a length on; the others stay', () => {
    using cache = makeCache()
    const sequence = sequenceOf(cache, 300)
    fillRows(cache, sequence, 0, 300, 5)
    cache.truncate(sequence, 130)
    expect(cache.backedLength(sequence)).toBe(130)
    stepTo(cache, sequence, 300)
    fillRows(cache, sequence, 130, 300, 9)
    expect(hasRows(cache, sequence, 0, 130, 5)).toBe(true)
    expect(hasRows(cache, sequence, 130, 300, 9)).toBe(true)
    cache.check()
  })

  it('to nothing, and to all, is fine', () => {
    using cache = makeCache()
    const sequence = sequenceOf(cache, 100)
    fillRows(cache, sequence, 0, 100, 5)
    cache.truncate(sequence, 100)
    expect(hasRows(cache, sequence, 0, 100, 5)).toBe(true)
    cache.truncate(sequence, 0)
    expect(cache.backedLength(sequence)).toBe(0)
    stepTo(cache, sequence, 10)
    cache.check()
  })

  it('gives memory that others can use', () => {
    using cache = makeCache({ limitBytes: 2 ** 20 })
    const sequence = sequenceOf(cache, 256) // all there is
    const { sequence: other } = cache.allocate()!
    expect(cache.step(u32(other), u32(1)).status).toBe('outOfMemory')
    cache.truncate(sequence, 64)
    expect(cache.step(u32(other), u32(192)).status).toBe('ok')
    cache.check()
  })

  it('refuses what the sequence does not have, and changes nothing', () => {
    using cache = makeCache()
    const sequence = sequenceOf(cache, 100)
    const freed = sequenceOf(cache, 1)
    cache.free(freed)
    const before = statesOf(cache)
    for (const length of [101, -1, 0.5, NaN, 2049, undefined as never]) {
      expect(() => cache.truncate(sequence, length)).toThrow(code('INVALID_ARGUMENT'))
    }
    expect(() => cache.truncate(freed, 0)).toThrow(code('STALE_SEQUENCE'))
    expect(() => cache.truncate(sequence, 5, {} as never)).toThrow(code('INVALID_ARGUMENT'))
    expect(cache.backedLength(sequence)).toBe(100)
    expect(statesOf(cache)).toEqual(before)
  })
})
