import { describe, expect, it } from 'vitest'

import { HostTimeline, type ContiguousKvCache } from '../src/index.ts'
import { code, makeCache, sequenceOf, u32 } from './support/caches.ts'

const calls: [name: string, call: (cache: ContiguousKvCache, sequence: number) => unknown][] = [
  ['allocate', (cache) => cache.allocate()],
  ['fork', (cache, sequence) => cache.fork(sequence as never, 0)],
  ['step', (cache, sequence) => cache.step(u32(sequence), u32(10))],
  ['stepAsync', (cache, sequence) => cache.stepAsync(u32(sequence), u32(10))],
  ['publish', (cache, sequence) => cache.publish(sequence as never, u32(1))],
  ['truncate', (cache, sequence) => cache.truncate(sequence as never, 0)],
  ['slide', (cache, sequence) => cache.slide(sequence as never, 0)],
  ['free', (cache, sequence) => cache.free(sequence as never)],
  ['recordFence', (cache) => cache.recordFence({ device: cache.device, handle: 0n })],
  ['waitReady', (cache) => cache.waitReady({ device: cache.device, handle: 0n })],
  ['attachStream', (cache) => cache.attachStream({ device: cache.device, handle: 0n })],
  ['detachStream', (cache) => cache.detachStream({ device: cache.device, handle: 0n })],
  ['backedLength', (cache, sequence) => cache.backedLength(sequence as never)],
  ['view', (cache) => cache.view()],
  ['stats', (cache) => cache.stats()],
  ['setLimit', (cache) => cache.setLimit(2 ** 20)],
  ['trim', (cache) => cache.trim()],
  ['trimAsync', (cache) => cache.trimAsync()],
  ['trace', (cache) => cache.trace()],
  ['setFaults', (cache) => cache.setFaults()],
  ['check', (cache) => cache.check()],
  ['mapper.pause', (cache) => cache.mapper.pause()],
  ['mapper.resume', (cache) => cache.mapper.resume()],
  ['mapper.drain', (cache) => cache.mapper.drain()],
  ['mapper.drainAsync', (cache) => cache.mapper.drainAsync()],
]

describe('a disposed cache', () => {
  it.each(calls)('refuses %s', async (_, call) => {
    const cache = makeCache()
    const sequence = sequenceOf(cache, 10)
    cache.dispose()
    await expect((async () => call(cache, sequence))()).rejects.toThrow(code('DISPOSED'))
  })

  it('may be disposed again, in any way', async () => {
    const cache = makeCache()
    cache.dispose()
    cache[Symbol.dispose]()
    await cache.disposeAsync()
    await cache[Symbol.asyncDispose]()
    cache.dispose()
  })
})

describe('disposing', () => {
  it('is what `using` does', () => {
    const used = (() => {
      using cache = makeCache()
      sequenceOf(cache, 100)
      return cache
    })()
    expect(() => used.stats()).toThrow(code('DISPOSED'))
  })

  it('is refused while a promise is pending, and nothing is done', async () => {
    const cache = makeCache({}, { faults: { delayUs: 2000 } })
    const sequence = sequenceOf(cache, 10)
    const step = cache.stepAsync(u32(sequence), u32(500))
    expect(() => cache.dispose()).toThrow(code('BUSY'))
    expect((await step).status).toBe('ok')
    expect(cache.backedLength(sequence)).toBe(500)
    cache.dispose()
  })

  it('is refused while a stream has work in flight, and nothing is done', () => {
    const cache = makeCache()
    using timeline = new HostTimeline()
    cache.waitReady(timeline)
    const sequence = sequenceOf(cache, 10)
    const work = timeline.submit()
    expect(() => cache.dispose()).toThrow(code('BUSY'))
    expect(cache.backedLength(sequence)).toBe(10)
    timeline.complete(work)
    cache.dispose()
  })

  it('can wait for both; from then on the cache cannot be used', async () => {
    const cache = makeCache({}, { faults: { delayUs: 1000 } })
    using timeline = new HostTimeline()
    cache.attachStream(timeline)
    const sequence = sequenceOf(cache, 10)
    const work = timeline.submit()
    const step = cache.stepAsync(u32(sequence), u32(300))
    let done = false
    const disposed = cache.disposeAsync().then(() => (done = true))
    expect(() => cache.allocate()).toThrow(code('DISPOSED'))
    expect((await step).status).toBe('ok')
    await new Promise((resolve) => setTimeout(resolve, 5))
    expect(done).toBe(false)
    timeline.complete(work)
    await disposed
    expect(done).toBe(true)
  })

  it('is what `await using` does', async () => {
    const timeline = new HostTimeline()
    const used = await (async () => {
      await using cache = makeCache()
      cache.attachStream(timeline)
      timeline.submit()
      setImmediate(() => timeline.complete())
      return cache
    })()
    expect(() => used.stats()).toThrow(code('DISPOSED'))
    timeline[Symbol.dispose]()
  })
})
