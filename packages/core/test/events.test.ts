import type { CacheEvent } from '@vattention/interface'
import { describe, expect, it } from 'vitest'

import { toChromeTrace } from '../src/index.ts'
import { makeCache, pageBytes, sequenceOf, stepTo, tensors, u32 } from './support/caches.ts'

const turn = () => new Promise((resolve) => setImmediate(resolve))

/** Events that have arrived once `kind` is among them. */
async function until(events: CacheEvent[], kind: CacheEvent['kind']): Promise<CacheEvent> {
  for (;;) {
    const found = events.find((event) => event.kind === kind)
    if (found) return found
    await turn()
  }
}

describe('trace', () => {
  it('keeps the last events, oldest first', () => {
    using cache = makeCache({ traceEvents: 4 })
    const sequence = sequenceOf(cache, 1)
    for (let length = 2; length <= 9; length++) stepTo(cache, sequence, length)
    const events = cache.trace()
    expect(events).toHaveLength(4)
    expect(events.every(({ kind }) => kind === 'step')).toBe(true)
    const starts = events.map(({ startNs }) => startNs)
    expect(starts).toEqual([...starts].sort((a, b) => a - b))
    expect(events[0]).toMatchObject({ slot: -1, thread: 'caller', bytes: 0, count: 1 })
  })

  it('is empty when none was asked for', () => {
    using cache = makeCache()
    sequenceOf(cache, 1)
    expect(cache.trace()).toEqual([])
  })

  it('tells what happened', () => {
    using cache = makeCache({ traceEvents: 100, limitBytes: 2 ** 20 })
    const sequence = sequenceOf(cache, 100)
    cache.publish(
      sequence,
      Uint32Array.from({ length: 100 }, (_, i) => i),
    )
    const child = cache.fork(sequence, 70)!
    stepTo(cache, child, 70)
    cache.free(child)
    cache.step(u32(sequence), u32(2000))
    cache.setLimit(2 ** 21)
    cache.trim()
    const kinds = new Set(cache.trace().map(({ kind }) => kind))
    for (const kind of ['step', 'alias', 'copy', 'park', 'outOfMemory', 'limit', 'release']) {
      expect(kinds).toContain(kind)
    }
    expect(cache.trace()[0]).toMatchObject({ kind: 'step', bytes: 2 * tensors * pageBytes })
  })
})

describe('onEvent', () => {
  it('is called on the JavaScript thread, later, with each event in order', async () => {
    const events: CacheEvent[] = []
    using cache = makeCache({ traceEvents: 50, onEvent: (event) => events.push(event) })
    const sequence = sequenceOf(cache, 1)
    stepTo(cache, sequence, 100)
    expect(events).toEqual([])
    cache.free(sequence)
    await until(events, 'park')
    expect(events).toEqual(cache.trace())
  })

  it('hears of what the mapper does', async () => {
    const events: CacheEvent[] = []
    using cache = makeCache({ mapAhead: {}, onEvent: (event) => events.push(event) })
    sequenceOf(cache, 600) // more than a slot that was prepared before anybody listened
    expect(await until(events, 'mapAhead')).toMatchObject({ thread: 'mapper' })
  })

  it('may throw: that is its own problem, and later events come all the same', async () => {
    const thrown: unknown[] = []
    const seen: string[] = []
    const listeners = process.listeners('uncaughtException')
    process.removeAllListeners('uncaughtException')
    process.on('uncaughtException', (error) => thrown.push(error))
    try {
      using cache = makeCache({
        onEvent: ({ kind }) => {
          seen.push(kind)
          throw new Error(`listener of ${kind}`)
        },
      })
      const sequence = sequenceOf(cache, 1)
      cache.free(sequence)
      while (!seen.includes('park')) await turn()
      await turn()
      expect(thrown).toHaveLength(seen.length)
    } finally {
      process.removeAllListeners('uncaughtException')
      for (const listener of listeners) process.on('uncaughtException', listener)
    }
  })

  it('is not called after the cache was disposed', async () => {
    const events: CacheEvent[] = []
    const cache = makeCache({ onEvent: (event) => events.push(event) })
    sequenceOf(cache, 1)
    cache.dispose()
    await turn()
    await turn()
    expect(events).toEqual([])
  })
})

describe('toChromeTrace', () => {
  const events: CacheEvent[] = [
    {
      kind: 'step',
      slot: -1,
      thread: 'caller',
      startNs: 1500,
      durationNs: 2500,
      bytes: 65536,
      count: 3,
    },
    {
      kind: 'mapAhead',
      slot: 2,
      thread: 'mapper',
      startNs: 9000,
      durationNs: 0,
      bytes: 10,
      count: 1,
    },
  ]

  it('is the JSON that trace viewers read', () => {
    const { traceEvents, displayTimeUnit } = JSON.parse(toChromeTrace(events)) as {
      displayTimeUnit: string
      traceEvents: Record<string, unknown>[]
    }
    expect(displayTimeUnit).toBe('ns')
    expect(traceEvents.filter(({ ph }) => ph === 'M').map(({ args }) => args)).toEqual([
      { name: 'vAttention' },
      { name: 'callers' },
      { name: 'mapper' },
    ])
    expect(traceEvents.filter(({ ph }) => ph !== 'M')).toEqual([
      {
        name: 'step',
        cat: 'cache',
        ph: 'X',
        ts: 1.5,
        dur: 2.5,
        pid: 1,
        tid: 0,
        args: { slot: -1, bytes: 65536, count: 3 },
      },
      {
        name: 'mapAhead',
        cat: 'cache',
        ph: 'i',
        s: 't',
        ts: 9,
        pid: 1,
        tid: 1,
        args: { slot: 2, bytes: 10, count: 1 },
      },
    ])
  })

  it('is labelled as asked, also without events', () => {
    const trace = JSON.parse(toChromeTrace([], { processName: 'shard 3' })) as {
      traceEvents: { args: object }[]
    }
    expect(trace.traceEvents[0]!.args).toEqual({ name: 'shard 3' })
  })
})
