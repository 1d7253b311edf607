import { describe, expect, it } from 'vitest'

import {
  code,
  makeCache,
  pageBytes,
  sequenceOf,
  statesOf,
  stepTo,
  tensors,
  tokensPerPage,
  u32,
} from './support/caches.ts'
import { fillRows, hasRows } from './support/rows.ts'

const pages = (count: number) => count * tensors * pageBytes
const prompt = (length: number) => Uint32Array.from({ length }, (_, i) => i)

describe('setLimit', () => {
  it('takes effect at once, up and down', () => {
    using cache = makeCache({ limitBytes: pages(4) })
    const sequence = sequenceOf(cache, 4 * tokensPerPage)
    const more = [u32(sequence), u32(6 * tokensPerPage)] as const
    expect(cache.step(...more).status).toBe('outOfMemory')
    cache.setLimit(pages(6))
    expect(cache.stats().limitBytes).toBe(pages(6))
    expect(cache.step(...more).status).toBe('ok')
    cache.setLimit(pages(5))
    expect(cache.step(u32(sequence), u32(6 * tokensPerPage + 1))).toMatchObject({
      status: 'outOfMemory',
      limit: 'bytes',
    })
    expect(cache.backedLength(sequence)).toBe(6 * tokensPerPage)
    cache.check()
  })

  it('gives free and parked memory back to the system, then prefixes; live sequences keep theirs', () => {
    using cache = makeCache()
    const live = sequenceOf(cache, 2 * tokensPerPage)
    fillRows(cache, live, 0, 2 * tokensPerPage, 5)
    const published = sequenceOf(cache, 4 * tokensPerPage)
    cache.publish(published, prompt(4 * tokensPerPage))
    const parked = sequenceOf(cache, 3 * tokensPerPage)
    cache.free(published)
    cache.free(parked)
    expect(statesOf(cache)).toMatchObject({
      mappedBytes: pages(2),
      retainedBytes: pages(4),
      parkedBytes: pages(3),
    })
    cache.setLimit(pages(7))
    expect(statesOf(cache)).toMatchObject({ retainedBytes: pages(4), parkedBytes: pages(1) })
    cache.setLimit(pages(4))
    expect(statesOf(cache)).toMatchObject({ retainedBytes: pages(2), parkedBytes: 0 })
    cache.setLimit(pages(1))
    expect(cache.stats().totalBytes).toBe(pages(2))
    expect(hasRows(cache, live, 0, 2 * tokensPerPage, 5)).toBe(true)
    cache.check()
  })

  it('is bounded by what the machine has', () => {
    using cache = makeCache({ limitBytes: 2 ** 50 })
    expect(cache.stats().limitBytes).toBeLessThan(2 ** 50)
    cache.setLimit(2 ** 51)
    expect(cache.stats().limitBytes).toBeLessThan(2 ** 50)
  })

  it('refuses what is no limit', () => {
    using cache = makeCache()
    for (const bytes of [0, -1, 1.5, NaN, '5', undefined, 1]) {
      expect(() => cache.setLimit(bytes as never)).toThrow(code('INVALID_ARGUMENT'))
    }
    expect(cache.stats().limitBytes).toBe(2 ** 26)
  })
})

describe('trim', () => {
  it('gives unused memory back to the system, down to what may stay', async () => {
    using cache = makeCache()
    const live = sequenceOf(cache, tokensPerPage)
    cache.free(sequenceOf(cache, 6 * tokensPerPage))
    expect(cache.trim({ keepBytes: pages(4) })).toBe(pages(2))
    expect(statesOf(cache)).toMatchObject({ mappedBytes: pages(1), parkedBytes: pages(4) })
    expect(await cache.trimAsync()).toBe(pages(4))
    expect(cache.stats().totalBytes).toBe(pages(1))
    expect(cache.trim()).toBe(0)
    stepTo(cache, live, 2 * tokensPerPage)
    cache.check()
  })

  it('gives prefixes back when asked to, but those in use', () => {
    using cache = makeCache()
    const sequence = sequenceOf(cache, 4 * tokensPerPage)
    cache.publish(sequence, prompt(4 * tokensPerPage))
    expect(cache.trim({ prefixes: true })).toBe(0)
    cache.free(sequence)
    expect(cache.trim()).toBe(0)
    expect(cache.trim({ prefixes: true })).toBe(pages(4))
    expect(cache.stats().totalBytes).toBe(0)
    expect(cache.allocate({ prefix: prompt(100) })!.sharedLength).toBe(0)
  })

  it('refuses options that are wrong', async () => {
    using cache = makeCache()
    for (const options of [{ keepBytes: -1 }, { keepBytes: 0.5 }, { prefixes: 1 }, { keep: 1 }]) {
      expect(() => cache.trim(options as never)).toThrow(code('INVALID_OPTIONS'))
      await expect(cache.trimAsync(options as never)).rejects.toThrow(code('INVALID_OPTIONS'))
    }
  })
})
