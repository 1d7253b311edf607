import { ContiguousKvCache, HostTimeline } from '@vattention/core'
import { cpu } from '@vattention/interface'
import { describe, expect, it } from 'vitest'

import { PagedFence } from '../src/index.ts'
import {
  blockBytes,
  blocksOf,
  code,
  makeCache,
  sequenceOf,
  small,
  stepTo,
  u32,
} from './support/caches.ts'
import { fillRows, hasRows } from './support/rows.ts'

describe('fences', () => {
  it('hold freed blocks until the work before them has ended', () => {
    using timeline = new HostTimeline()
    using cache = makeCache()
    cache.attachStream(timeline)
    const sequence = sequenceOf(cache, 30)
    timeline.submit()
    cache.free(sequence)
    expect(blocksOf(cache)).toEqual({ mapped: 0, cached: 0, condemned: 4, free: 20 })
    const { sequence: other } = cache.allocate()!
    const { sequence: more } = cache.allocate()!
    expect(cache.step(u32(other, more), u32(160, 8))).toMatchObject({
      status: 'outOfMemory',
      neededBytes: blockBytes,
      pendingBytes: 4 * blockBytes,
    })
    timeline.complete()
    expect(cache.step(u32(other, more), u32(160, 8)).status).toBe('ok')
    cache.check()
  })

  it('can be given: then only they count', async () => {
    using slow = new HostTimeline()
    using quick = new HostTimeline()
    using cache = makeCache()
    cache.attachStream(slow)
    slow.submit()
    const work = quick.submit()
    const fence = cache.recordFence(quick)
    expect(fence.done).toBe(false)
    const sequence = sequenceOf(cache, 40)
    cache.truncate(sequence, 24, fence)
    cache.slide(sequence, 8, fence)
    expect(blocksOf(cache).condemned).toBe(3)
    const waited = fence.wait()
    quick.complete(work)
    await waited
    expect(fence.done).toBe(true)
    expect(blocksOf(cache).condemned).toBe(0)
    fence[Symbol.dispose]()
    fence[Symbol.dispose]()
    expect(() => fence.done).toThrow(code('DISPOSED'))
    await expect(fence.wait()).rejects.toThrow(code('DISPOSED'))
    expect(() => cache.free(sequence, fence)).toThrow(code('DISPOSED'))
    slow.complete()
    cache.free(sequence)
  })

  it('of the calling thread have passed', async () => {
    using cache = makeCache()
    const fence = cache.recordFence({ device: cpu, handle: 0n })
    expect(fence).toBeInstanceOf(PagedFence)
    expect(fence.done).toBe(true)
    await fence.wait()
  })

  it('of others are refused, and nothing changes', () => {
    using timeline = new HostTimeline()
    using cache = makeCache()
    using other = new ContiguousKvCache({ ...omitPaged(), limitBytes: 2 ** 24 })
    const sequence = sequenceOf(cache, 10)
    for (const fence of [other.recordFence(timeline), {}, 7, null]) {
      expect(() => cache.free(sequence, fence as never)).toThrow(code('INVALID_ARGUMENT'))
      expect(() => cache.truncate(sequence, 1, fence as never)).toThrow(code('INVALID_ARGUMENT'))
      expect(() => cache.slide(sequence, 1, fence as never)).toThrow(code('INVALID_ARGUMENT'))
    }
    expect(cache.backedLength(sequence)).toBe(10)
  })

  it('of another cache of this kind will do', () => {
    using timeline = new HostTimeline()
    using cache = makeCache()
    using other = makeCache()
    timeline.submit()
    cache.free(sequenceOf(cache, 8), other.recordFence(timeline))
    expect(blocksOf(cache).condemned).toBe(1)
    timeline.complete()
    expect(blocksOf(cache).condemned).toBe(0)
  })

  it('make a copy wait for what is being written', async () => {
    using timeline = new HostTimeline()
    using cache = makeCache()
    cache.attachStream(timeline)
    const source = sequenceOf(cache, 12)
    timeline.submit()
    const fork = cache.fork(source, 12)!
    const step = cache.stepAsync(u32(fork), u32(13))
    fillRows(cache, source, 0, 12) // the work in flight
    timeline.complete()
    expect((await step).status).toBe('ok')
    expect(hasRows(cache, fork, 0, 12)).toBe(true)
  })
})

describe('streams', () => {
  it('are attached and detached by count, and not while they work', () => {
    using timeline = new HostTimeline()
    using cache = makeCache()
    expect(() => cache.detachStream(timeline)).toThrow(code('INVALID_ARGUMENT'))
    cache.waitReady(timeline)
    cache.waitReady(timeline)
    cache.attachStream(timeline)
    timeline.submit()
    cache.detachStream(timeline)
    expect(() => cache.detachStream(timeline)).toThrow(code('BUSY'))
    timeline.complete()
    cache.detachStream(timeline)
    expect(() => cache.detachStream(timeline)).toThrow(code('INVALID_ARGUMENT'))
    cache.recordFence(timeline)
  })

  it('that are none are refused', () => {
    using cache = makeCache()
    for (const stream of [
      undefined,
      7,
      {},
      { device: cpu, handle: 5 },
      { device: cpu, handle: -1n },
      { device: { type: 'cuda', index: 0 }, handle: 0n },
    ]) {
      expect(() => cache.recordFence(stream as never)).toThrow(code('INVALID_ARGUMENT'))
      expect(() => cache.waitReady(stream as never)).toThrow(code('INVALID_ARGUMENT'))
      expect(() => cache.attachStream(stream as never)).toThrow(code('INVALID_ARGUMENT'))
    }
  })
})

describe('dispose', () => {
  it('is refused while a stream or a promise is in flight; disposeAsync waits', async () => {
    using timeline = new HostTimeline()
    const cache = makeCache()
    const sequence = sequenceOf(cache, 8)
    cache.attachStream(timeline)
    timeline.submit()
    expect(() => cache.dispose()).toThrow(code('BUSY'))
    stepTo(cache, sequence, 9)
    const step = cache.stepAsync(u32(sequence), u32(10))
    expect(() => cache.dispose()).toThrow('1 calls in flight')
    const closed = cache.disposeAsync()
    expect(cache.disposeAsync()).toBe(closed)
    expect(() => cache.allocate()).toThrow(code('DISPOSED'))
    expect((await step).status).toBe('ok')
    timeline.complete()
    await closed
    cache.dispose()
  })

  it('makes every call a typed error', async () => {
    const cache = makeCache({ traceEvents: 4 })
    const sequence = sequenceOf(cache, 8)
    cache.dispose()
    cache[Symbol.dispose]()
    await cache[Symbol.asyncDispose]()
    const calls = [
      () => cache.allocate(),
      () => cache.fork(sequence, 1),
      () => cache.step(u32(sequence), u32(9)),
      () => cache.publish(sequence, u32(1)),
      () => cache.truncate(sequence, 1),
      () => cache.slide(sequence, 1),
      () => cache.free(sequence),
      () => cache.recordFence({ device: cpu, handle: 0n }),
      () => cache.waitReady({ device: cpu, handle: 0n }),
      () => cache.backedLength(sequence),
      () => cache.view(),
      () => cache.stats(),
      () => cache.setLimit(1),
      () => cache.dropPrefixes(),
      () => cache.trace(),
      () => cache.setFaults(),
      () => cache.check(),
    ]
    for (const call of calls) expect(call).toThrow(code('DISPOSED'))
    await expect(cache.stepAsync(u32(sequence), u32(9))).rejects.toThrow(code('DISPOSED'))
  })
})

/** The shape of `small`, for a contiguous cache. */
function omitPaged() {
  const { blockTokens: _, ...shape } = small
  return shape
}
