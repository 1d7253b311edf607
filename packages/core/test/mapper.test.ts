import { describe, expect, it } from 'vitest'

import {
  makeCache,
  pageBytes,
  sequenceOf,
  statesOf,
  stepTo,
  tensors,
  tokensPerPage,
} from './support/caches.ts'

const pages = (count: number) => count * tensors * pageBytes

describe('the mapper', () => {
  it('maps ahead of live sequences, so that steps find all there', () => {
    using cache = makeCache({ mapAhead: { tokens: 2 * tokensPerPage } })
    const sequence = sequenceOf(cache, tokensPerPage)
    cache.mapper.drain()
    expect(cache.stats().aheadBytes).toBeGreaterThanOrEqual(pages(2))
    for (let length = tokensPerPage; length <= 2048; length += 16) {
      expect(stepTo(cache, sequence, length)).toMatchObject({ driverCalls: 0 })
      cache.mapper.drain()
    }
    expect(cache.stats().stepsMappedSync).toBeLessThanOrEqual(1)
    cache.check()
  })

  it('keeps a slot mapped for the next prompt', () => {
    using cache = makeCache({ mapAhead: { idleSlots: 2 } })
    cache.mapper.drain()
    expect(cache.stats().parkedBytes).toBeGreaterThanOrEqual(2 * pages(1))
    const first = cache.allocate()!.sequence
    expect(stepTo(cache, first, 30)).toMatchObject({ driverCalls: 0 })
  })

  it('keeps nothing when told so', () => {
    using cache = makeCache({ mapAhead: { idleSlots: 0, lowWaterBytes: 0 } })
    cache.mapper.drain()
    expect(cache.stats().parkedBytes).toBe(0)
  })

  it('rests while it is paused', () => {
    using cache = makeCache({ mapAhead: { tokens: 256 } })
    cache.mapper.pause()
    cache.mapper.pause()
    const sequence = sequenceOf(cache, 10)
    const before = statesOf(cache)
    stepTo(cache, sequence, 12)
    expect(statesOf(cache)).toEqual(before)
    cache.mapper.resume()
    cache.mapper.drain()
    expect(cache.stats().aheadBytes).toBeGreaterThan(0)
  })

  it('never takes what a step needs', () => {
    using cache = makeCache({ mapAhead: { tokens: 1024, idleSlots: 4 }, limitBytes: pages(8) })
    const sequences = [1, 2, 3, 4].map(() => sequenceOf(cache, 10))
    cache.mapper.drain()
    for (const sequence of sequences) stepTo(cache, sequence, 2 * tokensPerPage)
    expect(cache.stats().neededBytes).toBe(pages(8))
    cache.check()
  })

  it('can be waited for without blocking', async () => {
    using cache = makeCache({ mapAhead: {} })
    sequenceOf(cache, 10)
    await cache.mapper.drainAsync()
    expect(cache.stats().aheadBytes).toBeGreaterThan(0)
  })

  it('is not there when told so, and its calls do nothing', async () => {
    using cache = makeCache({ mapAhead: false })
    cache.mapper.pause()
    cache.mapper.resume()
    cache.mapper.drain()
    await cache.mapper.drainAsync()
    sequenceOf(cache, 10)
    expect(cache.stats()).toMatchObject({ aheadBytes: 0, parkedBytes: 0, freeBytes: 0 })
  })
})
