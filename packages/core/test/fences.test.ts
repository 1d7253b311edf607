import { cpu } from '@vattention/interface'
import { describe, expect, it } from 'vitest'

import { HostTimeline, read } from '../src/index.ts'
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
import { fillRows, patternOf, rowsOf } from './support/rows.ts'

const pages = (count: number) => count * tensors * pageBytes

describe('a fence', () => {
  it('is done when what was submitted before it has completed, in the order of its stream', () => {
    using cache = makeCache()
    using timeline = new HostTimeline()
    using nothing = cache.recordFence(timeline)
    timeline.submit()
    using first = cache.recordFence(timeline)
    timeline.submit()
    timeline.submit()
    using third = cache.recordFence(timeline)
    expect([nothing, first, third].map((fence) => fence.done)).toEqual([true, false, false])
    timeline.complete(1)
    expect([first, third].map((fence) => fence.done)).toEqual([true, false])
    timeline.complete(2)
    expect(third.done).toBe(false)
    timeline.complete(3)
    expect(third.done).toBe(true)
  })

  it('can be awaited, by many', async () => {
    using cache = makeCache()
    using timeline = new HostTimeline()
    const work = timeline.submit()
    using fence = cache.recordFence(timeline)
    const seen: string[] = []
    const waits = ['a', 'b', 'c'].map((name) => fence.wait().then(() => seen.push(name)))
    await new Promise((resolve) => setImmediate(resolve))
    expect(seen).toEqual([])
    timeline.complete(work)
    await Promise.all(waits)
    expect(seen.sort()).toEqual(['a', 'b', 'c'])
    await fence.wait()
  })

  it('on the calling thread is done at once', async () => {
    using cache = makeCache()
    using fence = cache.recordFence({ device: cpu, handle: 0n })
    expect(fence.done).toBe(true)
    await fence.wait()
  })

  it('outlives its timeline, its cache, and itself while it is waited for', async () => {
    const fence = (() => {
      using cache = makeCache()
      using timeline = new HostTimeline()
      timeline.submit()
      return cache.recordFence(timeline)
    })()
    expect(fence.done).toBe(true)
    const wait = fence.wait()
    fence[Symbol.dispose]()
    fence[Symbol.dispose]()
    await wait
    expect(() => fence.done).toThrow(code('DISPOSED'))
    expect(() => fence.wait()).toThrow(code('DISPOSED'))
  })

  it('that was disposed, or is of nobody, is refused', () => {
    using cache = makeCache()
    const sequence = sequenceOf(cache, 10)
    const fence = cache.recordFence({ device: cpu, handle: 0n })
    fence[Symbol.dispose]()
    expect(() => cache.free(sequence, fence)).toThrow(code('DISPOSED'))
    expect(() => cache.free(sequence, 'now' as never)).toThrow(code('INVALID_ARGUMENT'))
    expect(cache.backedLength(sequence)).toBe(10)
  })
})

describe('streams', () => {
  it('of another device, or none, are refused', () => {
    using cache = makeCache()
    for (const stream of [
      { device: { type: 'cuda', index: 0 }, handle: 0n },
      { device: cpu, handle: 0 },
      { device: cpu, handle: -1n },
      { device: cpu },
      undefined,
    ]) {
      expect(() => cache.recordFence(stream as never)).toThrow(code('INVALID_ARGUMENT'))
      expect(() => cache.waitReady(stream as never)).toThrow(code('INVALID_ARGUMENT'))
      expect(() => cache.attachStream(stream as never)).toThrow(code('INVALID_ARGUMENT'))
      expect(() => cache.detachStream(stream as never)).toThrow(code('INVALID_ARGUMENT'))
    }
  })

  it('are detached when they are idle only', () => {
    using cache = makeCache()
    using timeline = new HostTimeline()
    expect(() => cache.detachStream(timeline)).toThrow(code('INVALID_ARGUMENT'))
    cache.attachStream(timeline)
    const work = timeline.submit()
    expect(() => cache.detachStream(timeline)).toThrow(code('BUSY'))
    timeline.complete(work)
    cache.detachStream(timeline)
  })

  it('are ready at once on the CPU', () => {
    using cache = makeCache()
    using timeline = new HostTimeline()
    cache.waitReady(timeline)
    cache.waitReady({ device: cpu, handle: 0n })
  })
})

describe('memory that a sequence gives up', () => {
  it('stays as it is until every attached stream has passed the point', () => {
    using cache = makeCache({ maxSequences: 2, limitBytes: pages(8) })
    using first = new HostTimeline()
    using second = new HostTimeline()
    cache.attachStream(first)
    cache.attachStream(second)
    const sequence = sequenceOf(cache, 5 * tokensPerPage)
    fillRows(cache, sequence, 0, 5 * tokensPerPage, 7)
    const rows = rowsOf(cache, sequence, 0, 5 * tokensPerPage)
    first.submit()
    second.submit()
    cache.free(sequence)
    const intact = () =>
      rows.every((tensor, i) => {
        const wanted = patternOf(tensor, 0, 7 + 1000 * i)
        return read(tensor).every((value, j) => value === wanted[j])
      })

    // Three pages are left; the five of the freed sequence are neither adopted nor evicted.
    const next = sequenceOf(cache, 3 * tokensPerPage)
    fillRows(cache, next, 0, 3 * tokensPerPage, 9)
    expect(intact()).toBe(true)
    const wanted = [u32(next), u32(4 * tokensPerPage)] as const
    expect(cache.step(...wanted)).toMatchObject({
      status: 'outOfMemory',
      pendingBytes: pages(5),
    })
    first.complete()
    expect(cache.step(...wanted).status).toBe('outOfMemory')
    expect(intact()).toBe(true)
    second.complete()
    expect(cache.step(...wanted).status).toBe('ok')
    cache.check()
  })

  it('stays until the fence that was given has passed, however far other streams are', () => {
    using cache = makeCache({ maxSequences: 2, limitBytes: pages(4) })
    using timeline = new HostTimeline()
    using other = new HostTimeline()
    cache.attachStream(timeline)
    cache.attachStream(other)
    const sequence = sequenceOf(cache, 4 * tokensPerPage)
    const work = timeline.submit()
    other.submit()
    using fence = cache.recordFence(timeline)
    timeline.submit()
    cache.free(sequence, fence)
    const { sequence: next } = cache.allocate()!
    expect(cache.step(u32(next), u32(1)).status).toBe('outOfMemory')
    timeline.complete(work)
    expect(cache.step(u32(next), u32(1)).status).toBe('ok')
    other.complete()
    timeline.complete()
  })

  it('does so after slide and truncate too', () => {
    for (const giveUp of ['slide', 'truncate'] as const) {
      using cache = makeCache({ leadRows: 0, limitBytes: pages(4) })
      using timeline = new HostTimeline()
      cache.attachStream(timeline)
      const sequence = sequenceOf(cache, 4 * tokensPerPage)
      timeline.submit()
      cache[giveUp](sequence, giveUp === 'slide' ? 3 * tokensPerPage : tokensPerPage)
      const { sequence: next } = cache.allocate()!
      const wanted = [u32(next), u32(3 * tokensPerPage)] as const
      expect(cache.step(...wanted)).toMatchObject({ status: 'outOfMemory' })
      timeline.complete()
      expect(cache.step(...wanted).status).toBe('ok')
      cache.check()
    }
  })

  it('is taken without asking streams that were detached', () => {
    using cache = makeCache({ maxSequences: 2, limitBytes: pages(4) })
    using timeline = new HostTimeline()
    cache.waitReady(timeline)
    cache.detachStream(timeline)
    const sequence = sequenceOf(cache, 4 * tokensPerPage)
    timeline.submit()
    cache.free(sequence)
    stepTo(cache, cache.allocate()!.sequence, 4 * tokensPerPage)
  })
})

describe('a step that copies what work in flight may be writing', () => {
  it('waits for that work, off the JavaScript thread when asked to', async () => {
    using cache = makeCache()
    using timeline = new HostTimeline()
    cache.attachStream(timeline)
    const source = sequenceOf(cache, 100)
    timeline.submit()
    const child = cache.fork(source, 100)!
    const step = cache.stepAsync(u32(child), u32(101))
    // The work in flight writes its rows; the copy must have them.
    fillRows(cache, source, 0, 100, 5)
    timeline.complete()
    expect((await step).status).toBe('ok')
    expect(read(rowsOf(cache, child, 99, 100)[0]!)).toEqual(
      read(rowsOf(cache, source, 99, 100)[0]!),
    )
  })
})
