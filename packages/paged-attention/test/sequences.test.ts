import { describe, expect, it } from 'vitest'

import {
  blocksOf,
  blockTokens,
  code,
  makeCache,
  sequenceOf,
  stepTo,
  tableOf,
  tokenBytes,
  u32,
} from './support/caches.ts'
import { fillRows, hasRows, isZero, rowsOf } from './support/rows.ts'
import { read } from '@vattention/core'

const layouts = ['nhd', 'paged-attention'] as const

describe('allocate', () => {
  it('gives undefined when every slot is live, and serves again after a free', () => {
    using cache = makeCache({ maxSequences: 2 })
    const { sequence, sharedLength } = cache.allocate()!
    expect(sharedLength).toBe(0)
    cache.allocate()
    expect(cache.allocate()).toBeUndefined()
    expect(cache.allocate({ prefix: u32(1, 2, 3) })).toBeUndefined()
    expect(cache.fork(sequence, 0)).toBeUndefined()
    cache.free(sequence)
    expect(cache.allocate()).toBeDefined()
    expect(cache.stats().liveSequences).toBe(2)
  })

  it('takes no blocks', () => {
    using cache = makeCache()
    cache.allocate()
    expect(blocksOf(cache).mapped).toBe(0)
  })

  it('refuses options that are none', () => {
    using cache = makeCache()
    expect(() => cache.allocate({ prefix: [1, 2] } as never)).toThrow(code('INVALID_OPTIONS'))
    expect(() => cache.allocate({ prefx: u32(1) } as never)).toThrow('did you mean prefix?')
    expect(() => cache.allocate({ salt: 7 } as never)).toThrow(code('INVALID_OPTIONS'))
    expect(() => cache.allocate(7 as never)).toThrow(code('INVALID_ARGUMENT'))
    expect(cache.stats().liveSequences).toBe(0)
  })
})

describe('free', () => {
  it('makes the handle stale for every call, also when the slot is used again', () => {
    using cache = makeCache({ maxSequences: 1 })
    const sequence = sequenceOf(cache, 10)
    cache.free(sequence)
    const { sequence: next } = cache.allocate()!
    expect(next).not.toBe(sequence)
    const calls = [
      () => cache.free(sequence),
      () => cache.fork(sequence, 0),
      () => cache.truncate(sequence, 0),
      () => cache.slide(sequence, 0),
      () => cache.publish(sequence, u32()),
      () => cache.backedLength(sequence),
      () => cache.step(u32(sequence), u32(1)),
      () => cache.view().blockTables(u32(sequence), new Int32Array(20), 20),
    ]
    for (const call of calls) expect(call).toThrow(code('STALE_SEQUENCE'))
    expect(() => cache.free(0.5 as never)).toThrow(code('INVALID_ARGUMENT'))
    expect(() => cache.free('1' as never)).toThrow(code('INVALID_ARGUMENT'))
    expect(() => cache.free((2 ** 32) as never)).toThrow(code('INVALID_ARGUMENT'))
    cache.check()
  })

  it('gives the blocks back', () => {
    using cache = makeCache()
    const sequence = sequenceOf(cache, 100)
    cache.free(sequence)
    expect(blocksOf(cache)).toMatchObject({ mapped: 0, free: 24 })
  })
})

describe('fork', () => {
  it.each(layouts)('shares full blocks and copies the partial one (%s)', (poolLayout) => {
    using cache = makeCache({ poolLayout })
    const source = sequenceOf(cache, 22)
    fillRows(cache, source, 0, 22, 5)
    const fork = cache.fork(source, 19)!
    expect(cache.backedLength(fork)).toBe(0)
    stepTo(cache, fork, 22)
    expect(tableOf(cache, fork).slice(0, 2)).toEqual(tableOf(cache, source).slice(0, 2))
    expect(tableOf(cache, fork)[2]).not.toBe(tableOf(cache, source)[2])
    expect(hasRows(cache, fork, 0, 19, 5)).toBe(true)
    expect(isZero(cache, fork, 19, 22)).toBe(true)
    expect(cache.stats()).toMatchObject({
      aliasedTokens: 16,
      copiedTokens: 3,
      copiedBytes: 3 * tokenBytes,
    })
    fillRows(cache, fork, 19, 22, 9)
    expect(hasRows(cache, source, 0, 22, 5)).toBe(true)
    cache.free(source)
    expect(hasRows(cache, fork, 0, 19, 5)).toBe(true)
    cache.check()
  })

  it('refuses more than is backed', () => {
    using cache = makeCache()
    const source = sequenceOf(cache, 10)
    expect(() => cache.fork(source, 11)).toThrow('at most the 10 tokens that step has backed')
    expect(() => cache.fork(source, -1)).toThrow(code('INVALID_ARGUMENT'))
    expect(() => cache.fork(source, 1.5)).toThrow(code('INVALID_ARGUMENT'))
    expect(() => cache.fork(cache.allocate()!.sequence, 1)).toThrow(code('INVALID_ARGUMENT'))
    expect(cache.stats().liveSequences).toBe(2)
  })

  it('must be stepped to what it shows at least', () => {
    using cache = makeCache()
    const fork = cache.fork(sequenceOf(cache, 20), 18)!
    expect(() => cache.step(u32(fork), u32(17))).toThrow(code('INVALID_ARGUMENT'))
    stepTo(cache, fork, 18)
  })
})

describe('truncate', () => {
  it('gives whole blocks back and keeps its own rows', () => {
    using cache = makeCache()
    const sequence = sequenceOf(cache, 40)
    fillRows(cache, sequence, 0, 40)
    cache.truncate(sequence, 19)
    expect(cache.backedLength(sequence)).toBe(19)
    expect(blocksOf(cache).mapped).toBe(3)
    stepTo(cache, sequence, 40)
    expect(hasRows(cache, sequence, 0, 19)).toBe(true)
    expect(isZero(cache, sequence, 24, 40)).toBe(true)
  })

  it.each(layouts)('has a shared block copied before it is written (%s)', (poolLayout) => {
    using cache = makeCache({ poolLayout })
    const source = sequenceOf(cache, 16)
    fillRows(cache, source, 0, 16, 2)
    const fork = cache.fork(source, 16)!
    stepTo(cache, fork, 16)
    cache.truncate(fork, 13)
    stepTo(cache, fork, 15)
    fillRows(cache, fork, 13, 15, 8)
    expect(hasRows(cache, source, 0, 16, 2)).toBe(true)
    expect(hasRows(cache, fork, 0, 13, 2)).toBe(true)
    expect(hasRows(cache, fork, 13, 15, 8)).toBe(true)
    // The rest of the copied block is not the source's.
    const [key] = rowsOf(cache, fork, 14)
    expect(read(key!)[0]).toBe(8 + 14)
    cache.check()
  })

  it('refuses more than there is', () => {
    using cache = makeCache()
    const sequence = sequenceOf(cache, 10)
    expect(() => cache.truncate(sequence, 11)).toThrow(code('INVALID_ARGUMENT'))
    expect(() => cache.truncate(sequence, -1)).toThrow(code('INVALID_ARGUMENT'))
    expect(() => cache.truncate(sequence, 161)).toThrow(code('INVALID_ARGUMENT'))
    expect(cache.backedLength(sequence)).toBe(10)
  })
})

describe('slide', () => {
  it('gives up blocks wholly before the window', () => {
    using cache = makeCache()
    const sequence = sequenceOf(cache, 40)
    fillRows(cache, sequence, 0, 40)
    cache.slide(sequence, 18)
    expect(tableOf(cache, sequence).slice(0, 2)).toEqual([-1, -1])
    expect(blocksOf(cache).mapped).toBe(3)
    expect(hasRows(cache, sequence, 16, 40)).toBe(true)
    stepTo(cache, sequence, 41)
    expect(cache.backedLength(sequence)).toBe(41)
    cache.slide(sequence, 3)
    cache.check()
  })

  it('refuses tokens that are not there', () => {
    using cache = makeCache()
    const sequence = sequenceOf(cache, 10)
    expect(() => cache.slide(sequence, 11)).toThrow(code('INVALID_ARGUMENT'))
    expect(() => cache.slide(sequence, NaN)).toThrow(code('INVALID_ARGUMENT'))
    expect(tableOf(cache, sequence)).toHaveLength(2)
  })
})

describe('setLimit', () => {
  it('changes how much of the pool is used', () => {
    using cache = makeCache()
    const { limitBytes, totalBytes } = cache.stats()
    const sequence = sequenceOf(cache, 10 * blockTokens)
    cache.setLimit(limitBytes / 2)
    expect(cache.stats()).toMatchObject({ limitBytes: limitBytes / 2, totalBytes })
    stepTo(cache, sequence, 12 * blockTokens)
    expect(cache.step(u32(sequence), u32(12 * blockTokens + 1)).status).toBe('outOfMemory')
    cache.setLimit(limitBytes / 4)
    expect(blocksOf(cache).mapped).toBe(12)
    cache.setLimit(100 * limitBytes)
    expect(cache.stats().limitBytes).toBe(limitBytes)
    stepTo(cache, sequence, 20 * blockTokens)
  })

  it('refuses what is no number of bytes', () => {
    using cache = makeCache()
    for (const bytes of [0, -1, 1.5, NaN, '1', undefined]) {
      expect(() => cache.setLimit(bytes as never)).toThrow(code('INVALID_ARGUMENT'))
    }
  })
})
