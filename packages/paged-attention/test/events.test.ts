import { setImmediate } from 'node:timers/promises'

import type { CacheEvent } from '@vattention/interface'
import { describe, expect, it } from 'vitest'

import { blockBytes, code, makeCache, sequenceOf, stepTo, tokensOf, u32 } from './support/caches.ts'

const kinds = (events: readonly CacheEvent[]) => events.map(({ kind }) => kind)

describe('events', () => {
  it('are kept in a ring, the last ones', () => {
    using cache = makeCache({ traceEvents: 3 })
    expect(cache.trace()).toEqual([])
    const first = sequenceOf(cache, 150)
    cache.free(first)
    const second = sequenceOf(cache, 100)
    stepTo(cache, cache.fork(second, 12)!, 12)
    const events = cache.trace()
    expect(kinds(events)).toEqual(['copy', 'alias', 'step'])
    expect(events[2]).toMatchObject({ slot: -1, thread: 'caller', bytes: blockBytes, count: 1 })
    for (const { startNs, durationNs } of events) {
      expect(startNs).toBeGreaterThan(0)
      expect(durationNs).toBeGreaterThanOrEqual(0)
    }
  })

  it('are told to the listener after each call', async () => {
    const events: CacheEvent[] = []
    using cache = makeCache({ onEvent: (event) => void events.push(event) })
    const sequence = sequenceOf(cache, 160)
    expect(kinds(events.splice(0))).toEqual(['step'])
    cache.publish(sequence, tokensOf(160))
    cache.free(sequence)
    cache.setLimit(10 * blockBytes)
    expect(events.splice(0)).toMatchObject([{ kind: 'limit', bytes: 10 * blockBytes, count: 10 }])
    const { sequence: other } = cache.allocate()!
    await cache.stepAsync(u32(other), u32(50))
    expect(kinds(events.splice(0))).toEqual(['zero', 'evict', 'step'])
    expect(cache.step(u32(other), u32(100)).status).toBe('outOfMemory')
    expect(kinds(events.splice(0))).toEqual(['outOfMemory'])
    expect(cache.trace()).toEqual([])
  })

  it('reach the listener also from calls that fail', () => {
    const events: CacheEvent[] = []
    using cache = makeCache({ onEvent: (event) => void events.push(event) }, { faults: {} })
    cache.free(sequenceOf(cache, 160))
    const { sequence } = cache.allocate()!
    stepTo(cache, sequence, 32)
    events.length = 0
    cache.setFaults({ failCall: 1, errno: 5 })
    expect(() => cache.step(u32(sequence), u32(160))).toThrow(code('DEVICE'))
    expect(events).toMatchObject([{ kind: 'driverError', count: 5 }])
  })

  it("are not lost by a listener that throws: that is the process's to know", async () => {
    const thrown: unknown[] = []
    const listeners = process.rawListeners('uncaughtException')
    process.removeAllListeners('uncaughtException')
    process.on('uncaughtException', (error) => void thrown.push(error))
    try {
      let heard = 0
      using cache = makeCache({
        onEvent: () => {
          heard++
          throw new Error('mine')
        },
      })
      const sequence = sequenceOf(cache, 10)
      stepTo(cache, sequence, 20)
      expect(heard).toBe(2)
      await setImmediate()
      expect(thrown).toHaveLength(2)
    } finally {
      process.removeAllListeners('uncaughtException')
      for (const listener of listeners) process.on('uncaughtException', listener as () => void)
    }
  })
})
