import { describe, expect, it } from 'vitest'

import {
  code,
  makeCache,
  pageBytes,
  sequenceOf,
  stepTo,
  tensors,
  tokensPerPage,
  u32,
} from './support/caches.ts'
import { fillRows, hasRows, isZero } from './support/rows.ts'

describe('fork', () => {
  it('shows the tokens of its source after the next step: full pages shared, the last one copied', () => {
    using cache = makeCache()
    const source = sequenceOf(cache, 200)
    fillRows(cache, source, 0, 200, 5)
    const child = cache.fork(source, 150)!
    expect(cache.backedLength(child)).toBe(0)
    const before = cache.stats()
    stepTo(cache, child, 160)
    expect(hasRows(cache, child, 0, 150, 5)).toBe(true)
    expect(isZero(cache, child, 150, 160)).toBe(true)
    const after = cache.stats()
    const shared = Math.floor(150 / tokensPerPage)
    expect(after.mappedBytes - before.mappedBytes).toBe(tensors * pageBytes)
    expect(after.sharedBytes).toBe(shared * tensors * pageBytes)
    expect(after.aliasedTokens).toBe(shared * tokensPerPage)
    expect(after.copiedTokens).toBe(150 - shared * tokensPerPage)
    cache.check()
  })

  it('writes nothing through a shared page', () => {
    using cache = makeCache()
    const source = sequenceOf(cache, 200)
    fillRows(cache, source, 0, 200, 5)
    const child = cache.fork(source, 192)!
    stepTo(cache, child, 192)
    // Both forget tokens in the shared pages and write others.
    cache.truncate(child, 100)
    stepTo(cache, child, 192)
    fillRows(cache, child, 100, 192, 9)
    expect(hasRows(cache, source, 0, 200, 5)).toBe(true)
    expect(hasRows(cache, child, 0, 100, 5)).toBe(true)
    cache.truncate(source, 50)
    stepTo(cache, source, 200)
    fillRows(cache, source, 50, 200, 11)
    expect(hasRows(cache, child, 0, 100, 5)).toBe(true)
    expect(hasRows(cache, child, 100, 192, 9)).toBe(true)
    expect(hasRows(cache, source, 0, 50, 5)).toBe(true)
    cache.check()
  })

  it('outlives its source, freed before or after the step', () => {
    using cache = makeCache()
    const source = sequenceOf(cache, 130)
    fillRows(cache, source, 0, 130, 5)
    const [early, late] = [cache.fork(source, 130)!, cache.fork(source, 64)!]
    stepTo(cache, early, 130)
    cache.free(source)
    stepTo(cache, late, 64)
    sequenceOf(cache, 500)
    expect(hasRows(cache, early, 0, 130, 5)).toBe(true)
    expect(hasRows(cache, late, 0, 64, 5)).toBe(true)
    cache.check()
  })

  it('takes all, or nothing, of its source', () => {
    using cache = makeCache()
    const source = sequenceOf(cache, 70)
    fillRows(cache, source, 0, 70, 5)
    const [all, none] = [cache.fork(source, 70)!, cache.fork(source, 0)!]
    expect(cache.step(u32(all, none), u32(70, 3)).status).toBe('ok')
    expect(hasRows(cache, all, 0, 70, 5)).toBe(true)
    expect(isZero(cache, none, 0, 3)).toBe(true)
  })

  it('gives undefined when no slot is left', () => {
    using cache = makeCache({ maxSequences: 1 })
    expect(cache.fork(sequenceOf(cache, 10), 5)).toBeUndefined()
  })

  it('refuses what its source does not have, and changes nothing', () => {
    using cache = makeCache()
    const source = sequenceOf(cache, 100)
    const freed = sequenceOf(cache, 1)
    cache.free(freed)
    for (const length of [-1, 1.5, NaN, 2049, '5' as never, undefined as never]) {
      expect(() => cache.fork(source, length)).toThrow(code('INVALID_ARGUMENT'))
    }
    expect(() => cache.fork(source, 101)).toThrow(code('INVALID_ARGUMENT'))
    expect(() => cache.fork(freed, 0)).toThrow(code('STALE_SEQUENCE'))
    expect(() => cache.fork('x' as never, 0)).toThrow(code('INVALID_ARGUMENT'))
    expect(cache.stats().liveSequences).toBe(1)
    const child = cache.fork(source, 50)!
    expect(() => cache.step(u32(child), u32(49))).toThrow(code('INVALID_ARGUMENT'))
    stepTo(cache, child, 50)
  })
})
