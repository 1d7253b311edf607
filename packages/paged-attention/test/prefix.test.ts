import { describe, expect, it } from 'vitest'

import {
  blocksOf,
  code,
  makeCache,
  sequenceOf,
  stepTo,
  tableOf,
  tokensOf,
  u32,
} from './support/caches.ts'
import { fillRows, hasRows } from './support/rows.ts'
import type { PagedKvCache } from '../src/index.ts'

function shared(cache: PagedKvCache, prefix: Uint32Array, salt?: string): number {
  const { sequence, sharedLength } = cache.allocate({
    prefix,
    ...(salt === undefined ? {} : { salt }),
  })!
  cache.free(sequence)
  return sharedLength
}

describe('the prefix cache', () => {
  it('shares full blocks with a request that runs at the same time', () => {
    using cache = makeCache()
    const first = sequenceOf(cache, 20)
    fillRows(cache, first, 0, 20)
    cache.publish(first, tokensOf(20))
    const { sequence, sharedLength } = cache.allocate({ prefix: tokensOf(30) })!
    expect(sharedLength).toBe(16)
    stepTo(cache, sequence, 30)
    expect(tableOf(cache, sequence).slice(0, 2)).toEqual(tableOf(cache, first).slice(0, 2))
    expect(hasRows(cache, sequence, 0, 16)).toBe(true)
    expect(cache.stats()).toMatchObject({ aliasedTokens: 16, copiedTokens: 0 })
    cache.check()
  })

  it('shares at most all tokens but the last', () => {
    using cache = makeCache()
    cache.publish(sequenceOf(cache, 32), tokensOf(32))
    expect(shared(cache, tokensOf(33))).toBe(32)
    expect(shared(cache, tokensOf(32))).toBe(24)
    expect(shared(cache, tokensOf(9))).toBe(8)
    expect(shared(cache, tokensOf(8))).toBe(0)
    expect(shared(cache, u32())).toBe(0)
  })

  it('keeps salts apart', () => {
    using cache = makeCache()
    cache.publish(sequenceOf(cache, 24), tokensOf(24), 'tenant')
    expect(shared(cache, tokensOf(24), 'tenant')).toBe(16)
    expect(shared(cache, tokensOf(24), 'tenant2')).toBe(0)
    expect(shared(cache, tokensOf(24), 'ténant')).toBe(0)
    expect(shared(cache, tokensOf(24))).toBe(0)
  })

  it('grows with every publish, and keeps freed prompts until their room is needed', () => {
    using cache = makeCache()
    const sequence = sequenceOf(cache, 40)
    cache.publish(sequence, tokensOf(17))
    expect(shared(cache, tokensOf(41))).toBe(16)
    cache.publish(sequence, tokensOf(40))
    expect(shared(cache, tokensOf(41))).toBe(40)
    cache.free(sequence)
    expect(blocksOf(cache)).toMatchObject({ mapped: 0, cached: 5 })
    expect(shared(cache, tokensOf(41))).toBe(40)
    const others = [sequenceOf(cache, 150), sequenceOf(cache, 24)]
    expect(cache.stats().evictions).toBeGreaterThan(0)
    expect(shared(cache, tokensOf(41))).toBeLessThan(40)
    for (const other of others) cache.free(other)
    cache.check()
  })

  it('forgets what nobody uses when it is told to', () => {
    using cache = makeCache()
    const sequence = sequenceOf(cache, 24)
    cache.publish(sequence, tokensOf(24))
    cache.dropPrefixes()
    expect(shared(cache, tokensOf(25))).toBe(24)
    cache.free(sequence)
    cache.dropPrefixes()
    expect(shared(cache, tokensOf(25))).toBe(0)
    expect(blocksOf(cache).cached).toBe(0)
  })

  it('shares nothing wrong when all hashes collide', () => {
    using cache = makeCache({}, { hashBits: 1 })
    for (let i = 0; i < 6; i++) {
      const tokens = tokensOf(16, 1000 * i)
      const sequence = sequenceOf(cache, 16)
      fillRows(cache, sequence, 0, 16, i)
      cache.publish(sequence, tokens)
      cache.free(sequence)
    }
    for (let i = 0; i < 6; i++) {
      const { sequence, sharedLength } = cache.allocate({ prefix: tokensOf(17, 1000 * i) })!
      expect(sharedLength).toBe(16)
      stepTo(cache, sequence, 17)
      expect(hasRows(cache, sequence, 0, 16, i)).toBe(true)
      cache.free(sequence)
    }
    expect(shared(cache, u32(...tokensOf(8), ...tokensOf(9, 1008)))).toBe(0)
    expect(shared(cache, u32(...tokensOf(8, 2000), ...tokensOf(9, 1008)))).toBe(8)
  })

  it('counts questions and hits', () => {
    using cache = makeCache()
    cache.publish(sequenceOf(cache, 24), tokensOf(24))
    shared(cache, tokensOf(20))
    shared(cache, tokensOf(20, 5))
    cache.allocate()
    expect(cache.stats()).toMatchObject({
      prefixQueries: 2,
      prefixQueryTokens: 40,
      prefixHitTokens: 16,
    })
  })

  it('can be turned off', () => {
    using cache = makeCache({ prefixCache: false })
    const sequence = sequenceOf(cache, 24)
    cache.publish(sequence, tokensOf(24))
    expect(shared(cache, tokensOf(24))).toBe(0)
    cache.free(sequence)
    expect(blocksOf(cache).cached).toBe(0)
  })
})

describe('publish', () => {
  it('refuses what cannot be', () => {
    using cache = makeCache()
    const sequence = sequenceOf(cache, 20)
    expect(() => cache.publish(sequence, tokensOf(21))).toThrow(
      'at most the 20 tokens that step has backed',
    )
    expect(() => cache.publish(sequence, [1] as never)).toThrow(code('INVALID_ARGUMENT'))
    expect(() => cache.publish(sequence, u32(1), 7 as never)).toThrow(code('INVALID_ARGUMENT'))
    cache.publish(sequence, tokensOf(20))
    const other = tokensOf(20)
    other[9] = 3
    expect(() => cache.publish(sequence, other)).toThrow('index 9')
    expect(shared(cache, tokensOf(20))).toBe(16)
  })
})
