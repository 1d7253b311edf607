import { describe, expect, it } from 'vitest'

import { code, makeCache, sequenceOf, statesOf, u32 } from './support/caches.ts'

describe('allocate', () => {
  it('reserves slots and moves no memory', () => {
    using cache = makeCache({ maxSequences: 3 })
    const before = statesOf(cache)
    const sequences = [1, 2, 3].map(() => cache.allocate()!)
    expect(new Set(sequences.map(({ sequence }) => sequence)).size).toBe(3)
    expect(sequences.every(({ sharedLength }) => sharedLength === 0)).toBe(true)
    expect(sequences.every(({ sequence }) => sequence > 0)).toBe(true)
    expect(statesOf(cache)).toEqual(before)
    expect(cache.stats().liveSequences).toBe(3)
    expect(cache.backedLength(sequences[0]!.sequence)).toBe(0)
  })

  it('gives undefined when no slot is left, until one is', () => {
    using cache = makeCache({ maxSequences: 2 })
    const first = sequenceOf(cache, 1)
    sequenceOf(cache, 1)
    expect(cache.allocate()).toBeUndefined()
    expect(cache.allocate({ prefix: u32(1, 2, 3) })).toBeUndefined()
    cache.free(first)
    expect(cache.allocate()).toBeDefined()
  })

  it('refuses options that are wrong, and reserves nothing', () => {
    using cache = makeCache()
    for (const options of [
      { prefix: [1, 2, 3] },
      { prefix: new Int32Array(3) },
      { salt: 5 },
      { prefixes: u32(1) },
    ]) {
      expect(() => cache.allocate(options as never)).toThrow(code('INVALID_OPTIONS'))
    }
    expect(() => cache.allocate('prompt' as never)).toThrow(code('INVALID_ARGUMENT'))
    expect(cache.stats().liveSequences).toBe(0)
  })
})
