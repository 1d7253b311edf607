import { describe, expect, it } from 'vitest'

import type { ContiguousKvCache } from '../src/index.ts'
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

const prompt = (length: number, seed = 1) =>
  Uint32Array.from({ length }, (_, i) => (i * 31 + seed) % 997)

/** Serves a prompt: computes it, publishes it. */
function serve(cache: ContiguousKvCache, tokens: Uint32Array, seed: number, salt?: string) {
  const sequence = sequenceOf(cache, tokens.length)
  fillRows(cache, sequence, 0, tokens.length, seed)
  cache.publish(sequence, tokens, salt)
  return sequence
}

describe('a published prefix', () => {
  it('is shared with a request that runs at the same time', () => {
    using cache = makeCache()
    serve(cache, prompt(300), 5)
    const { sequence, sharedLength } = cache.allocate({ prefix: prompt(400) })!
    expect(sharedLength).toBe(288) // whole blocks of 16
    stepTo(cache, sequence, 400)
    expect(hasRows(cache, sequence, 0, 288, 5)).toBe(true)
    expect(isZero(cache, sequence, 288, 400)).toBe(true)
    const aliased = Math.floor(288 / tokensPerPage) * tokensPerPage
    expect(cache.stats()).toMatchObject({
      aliasedTokens: aliased,
      copiedTokens: 288 - aliased,
      sharedBytes: (aliased / tokensPerPage) * tensors * pageBytes,
      prefixQueries: 1,
      prefixQueryTokens: 400,
      prefixHitTokens: 288,
    })
    cache.check()
  })

  it('outlives its sequence', () => {
    using cache = makeCache()
    cache.free(serve(cache, prompt(300), 5))
    sequenceOf(cache, 500)
    const { sequence, sharedLength } = cache.allocate({ prefix: prompt(300) })!
    expect(sharedLength).toBe(288)
    stepTo(cache, sequence, 300)
    expect(hasRows(cache, sequence, 0, 288, 5)).toBe(true)
    cache.check()
  })

  it('never is all of a prompt: a first token is always computed', () => {
    using cache = makeCache()
    serve(cache, prompt(64), 5)
    const { sequence, sharedLength } = cache.allocate({ prefix: prompt(64) })!
    expect(sharedLength).toBe(63)
    stepTo(cache, sequence, 64)
    expect(hasRows(cache, sequence, 0, 63, 5)).toBe(true)
    expect(isZero(cache, sequence, 63, 64)).toBe(true)
    expect(cache.allocate({ prefix: u32(...prompt(1)) })!.sharedLength).toBe(0)
    expect(cache.allocate({ prefix: u32() })!.sharedLength).toBe(0)
  })

  it('is a matter of its salt', () => {
    using cache = makeCache()
    serve(cache, prompt(100), 5, 'a')
    expect(cache.allocate({ prefix: prompt(100) })!.sharedLength).toBe(0)
    expect(cache.allocate({ prefix: prompt(100), salt: 'b' })!.sharedLength).toBe(0)
    expect(cache.allocate({ prefix: prompt(100), salt: 'a' })!.sharedLength).toBe(96)
  })

  it('is not written by those who share it, nor by the one who published it', () => {
    using cache = makeCache()
    const publisher = serve(cache, prompt(256), 5)
    const { sequence } = cache.allocate({ prefix: prompt(256) })!
    stepTo(cache, sequence, 256)
    fillRows(cache, sequence, 255, 256, 9)
    for (const [writer, seed] of [
      [publisher, 11],
      [sequence, 13],
    ] as const) {
      cache.truncate(writer, 10)
      stepTo(cache, writer, 256)
      fillRows(cache, writer, 10, 256, seed)
    }
    const { sequence: third } = cache.allocate({ prefix: prompt(257) })!
    stepTo(cache, third, 257)
    expect(hasRows(cache, third, 0, 256, 5)).toBe(true)
    expect(hasRows(cache, publisher, 10, 256, 11)).toBe(true)
    expect(hasRows(cache, sequence, 10, 256, 13)).toBe(true)
    cache.check()
  })

  it('grows as pages fill; publishing again costs no span', () => {
    using cache = makeCache()
    const sequence = serve(cache, prompt(40), 5)
    expect(cache.allocate({ prefix: prompt(200) })!.sharedLength).toBe(32)
    stepTo(cache, sequence, 120)
    fillRows(cache, sequence, 40, 120, 5)
    cache.publish(sequence, prompt(120))
    cache.publish(sequence, prompt(120))
    cache.publish(sequence, prompt(50))
    expect(cache.allocate({ prefix: prompt(200) })!.sharedLength).toBe(112)
    cache.check()
  })

  it('has blocks of a size that can be chosen', () => {
    using cache = makeCache({ prefixBlockTokens: 1 })
    serve(cache, prompt(37), 5)
    const { sequence, sharedLength } = cache.allocate({ prefix: prompt(50) })!
    expect(sharedLength).toBe(37)
    stepTo(cache, sequence, 50)
    expect(hasRows(cache, sequence, 0, 37, 5)).toBe(true)
  })

  it('is adopted in place when its slot is still parked, without a driver call', () => {
    using cache = makeCache()
    cache.free(serve(cache, prompt(992), 5))
    const { sequence, sharedLength } = cache.allocate({ prefix: prompt(1000) })!
    expect(sharedLength).toBe(992)
    expect(stepTo(cache, sequence, 1000)).toEqual({ status: 'ok', mappedBytes: 0, driverCalls: 0 })
    expect(hasRows(cache, sequence, 0, 992, 5)).toBe(true)
    expect(isZero(cache, sequence, 992, 1000)).toBe(true)
    expect(cache.stats().adoptions).toBe(1)
  })

  it('is given up, least recently used first and from its end, when a step needs the memory', () => {
    const pages = 16
    using cache = makeCache({ limitBytes: pages * tensors * pageBytes })
    const old = prompt(4 * tokensPerPage, 1)
    const recent = prompt(4 * tokensPerPage, 2)
    cache.free(serve(cache, old, 5))
    cache.free(serve(cache, recent, 7))
    // 8 of 16 pages are retained; 10 are needed, so 2 must go: from the end of the old prompt.
    const sequence = sequenceOf(cache, 10 * tokensPerPage)
    const { retainedBytes, evictions } = cache.stats()
    expect(retainedBytes).toBe(6 * tensors * pageBytes)
    expect(evictions).toBe((2 * tokensPerPage) / 16)
    expect(cache.allocate({ prefix: old })!.sharedLength).toBe(2 * tokensPerPage)
    expect(cache.allocate({ prefix: recent })!.sharedLength).toBe(4 * tokensPerPage - 1)
    cache.free(sequence)
    cache.check()
  })

  it('goes entirely before a step fails, and the answer says that nothing is left', () => {
    const pages = 16
    using cache = makeCache({ limitBytes: pages * tensors * pageBytes })
    cache.free(serve(cache, prompt(8 * tokensPerPage), 5))
    const { sequence } = cache.allocate()!
    expect(cache.step(u32(sequence), u32((pages + 1) * tokensPerPage))).toMatchObject({
      status: 'outOfMemory',
      limit: 'bytes',
      neededBytes: tensors * pageBytes,
    })
    expect(cache.stats().retainedBytes).toBe(0)
    stepTo(cache, sequence, pages * tokensPerPage)
  })

  it('stays while an allocation waits for its first step', async () => {
    const pages = 8
    using cache = makeCache({ limitBytes: pages * tensors * pageBytes })
    cache.free(serve(cache, prompt(4 * tokensPerPage), 5))
    const { sequence, sharedLength } = cache.allocate({ prefix: prompt(5 * tokensPerPage) })!
    expect(sharedLength).toBe(4 * tokensPerPage)
    const { sequence: greedy } = cache.allocate()!
    const wanted = [u32(greedy), u32(5 * tokensPerPage)] as const
    expect(cache.step(...wanted).status).toBe('outOfMemory')
    expect((await cache.stepAsync(...wanted)).status).toBe('outOfMemory')
    stepTo(cache, sequence, 5 * tokensPerPage)
    expect(hasRows(cache, sequence, 0, 4 * tokensPerPage, 5)).toBe(true)
    cache.free(sequence)
    expect((await cache.stepAsync(...wanted)).status).toBe('ok')
    cache.check()
  })

  it('of a sequence that has slid is not extended, and remains', () => {
    using cache = makeCache({ leadRows: 0 })
    const sequence = serve(cache, prompt(256), 5)
    cache.slide(sequence, 128)
    stepTo(cache, sequence, 512)
    cache.publish(sequence, prompt(512))
    const { sequence: other, sharedLength } = cache.allocate({ prefix: prompt(512) })!
    expect(sharedLength).toBe(256)
    stepTo(cache, other, 512)
    expect(hasRows(cache, other, 0, 256, 5)).toBe(true)
    cache.check()
  })

  it('follows forks', () => {
    using cache = makeCache()
    const source = serve(cache, prompt(100), 5)
    const child = cache.fork(source, 70)!
    stepTo(cache, child, 100)
    const branched = prompt(100)
    branched.fill(1, 70)
    fillRows(cache, child, 70, 100, 9)
    cache.publish(child, branched)
    expect(cache.allocate({ prefix: prompt(101) })!.sharedLength).toBe(96)
    const { sequence, sharedLength } = cache.allocate({ prefix: branched })!
    expect(sharedLength).toBe(96)
    stepTo(cache, sequence, 100)
    expect(hasRows(cache, sequence, 0, 70, 5)).toBe(true)
    expect(hasRows(cache, sequence, 70, 96, 9)).toBe(true)
  })
})

describe('publish', () => {
  it('refuses what is not in the cache, and changes nothing', () => {
    using cache = makeCache()
    const sequence = sequenceOf(cache, 50)
    const freed = sequenceOf(cache, 50)
    cache.free(freed)
    expect(() => cache.publish(sequence, prompt(51))).toThrow(code('INVALID_ARGUMENT'))
    expect(() => cache.publish(sequence, [1, 2] as never)).toThrow(code('INVALID_ARGUMENT'))
    expect(() => cache.publish(sequence, prompt(5), 5 as never)).toThrow(code('INVALID_ARGUMENT'))
    expect(() => cache.publish(freed, prompt(16))).toThrow(code('STALE_SEQUENCE'))
    expect(cache.allocate({ prefix: prompt(51) })!.sharedLength).toBe(0)
    cache.check()
  })
})
