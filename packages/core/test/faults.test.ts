import type { StepResult } from '@vattention/interface'
import { describe, expect, it } from 'vitest'

import { ContiguousKvCache, type FaultPlan } from '../src/index.ts'
import { code, makeCache, small, statesOf, u32 } from './support/caches.ts'
import { fillRows, hasRows } from './support/rows.ts'

/** Calls until it succeeds: a plan fails a few calls in a row at most. Each failure is typed. */
function persist(call: () => StepResult | number | void, onFailure?: () => void): void {
  for (let attempts = 1; ; attempts++) {
    try {
      const result = call()
      if (typeof result !== 'object' || result.status === 'ok') return
    } catch (error) {
      expect(error).toEqual(code('DEVICE'))
    }
    onFailure?.()
    expect(attempts).toBeLessThan(10)
  }
}

const prompt = Uint32Array.from({ length: 200 }, (_, i) => i)

/**
 * Does everything that moves memory, on one cache. Each time something fails, nothing has changed:
 * lengths, contents and use are what they were, the books are right, and the same call works once
 * the driver does. Only when undoing fails too may a sequence have got pages of its own early, in
 * place of those that it shares.
 */
function exercise(cache: ContiguousKvCache, undoFails: boolean): void {
  const lengths = new Map<number, number>()
  const grow = (sequence: number, length: number): void => {
    const { liveSequences, usedBytes, neededBytes } = cache.stats()
    persist(
      () => cache.step(u32(sequence), u32(length)),
      () => {
        cache.check()
        const now = cache.stats()
        expect(now.liveSequences).toBe(liveSequences)
        if (undoFails) {
          expect(now.usedBytes).toBeGreaterThanOrEqual(usedBytes)
          expect(now.neededBytes).toBeGreaterThanOrEqual(neededBytes)
        } else {
          expect(now).toMatchObject({ usedBytes, neededBytes })
        }
        for (const [other, backed] of lengths) {
          expect(cache.backedLength(other as never)).toBe(backed)
        }
      },
    )
    lengths.set(sequence, length)
    cache.check()
  }
  const free = (sequence: number): void => {
    cache.free(sequence as never)
    lengths.delete(sequence)
  }

  const first = cache.allocate()!.sequence
  grow(first, 100)
  fillRows(cache, first, 0, 100, 3)
  grow(first, 200)
  fillRows(cache, first, 100, 200, 3)
  cache.publish(first, prompt)
  const child = cache.fork(first, 150)!
  grow(child, 200)
  expect(hasRows(cache, child, 0, 150, 3)).toBe(true)
  // Copy on write: both forget into what they share.
  cache.truncate(child, 40)
  lengths.set(child, 40)
  grow(child, 200)
  fillRows(cache, child, 40, 200, 5)
  expect(hasRows(cache, first, 0, 200, 3)).toBe(true)
  cache.slide(child, 150)
  const { sequence: shared, sharedLength } = cache.allocate({ prefix: prompt })!
  expect(sharedLength).toBe(192)
  grow(shared, 200)
  expect(hasRows(cache, shared, 0, 192, 3)).toBe(true)
  free(child)
  const adopter = cache.allocate()!.sequence
  grow(adopter, 130)
  expect(hasRows(cache, first, 0, 200, 3)).toBe(true)
  free(first)
  // Memory runs out of parked pages, then of prefixes: both are given up.
  free(shared)
  persist(() => cache.setLimit(10 * 4 * 65536))
  cache.check()
  grow(adopter, 640)
  persist(() => cache.trim({ prefixes: true }))
  cache.check()
  grow(adopter, 640)
}

describe.each(['split', 'interleaved'] as const)(
  'with every nth driver call failing (%s)',
  (layout) => {
    it.each<FaultPlan>([
      { errno: 12 }, // ENOMEM
      { errno: 5 }, // EIO
      { errno: 28, failCount: 3 }, // ENOSPC, three times in a row
    ])('a cache keeps its promises (%j)', (plan) => {
      let failCall = 1
      for (let failed = true; failed; failCall++) {
        let cache: ContiguousKvCache
        const faults = { ...plan, failCall }
        try {
          cache = makeCache({ layout, maxSequences: 4 }, { faults })
        } catch (error) {
          expect([code('DEVICE'), code('OUT_OF_MEMORY')]).toContainEqual(error)
          continue
        }
        using _ = cache
        exercise(cache, (plan.failCount ?? 1) > 1)
        // Without faults nothing is left of them.
        cache.setFaults()
        const calls = cache.setFaults()
        failed = failCall <= calls
        expect(statesOf(cache).condemnedBytes).toBe(0)
        cache.check()
      }
      expect(failCall).toBeGreaterThan(20)
    })
  },
)

describe('a failing driver', () => {
  it('is told by call and code, and changes nothing', () => {
    using cache = makeCache({}, { faults: { failCall: 1, kind: 'map', errno: 5 } })
    const { sequence } = cache.allocate()!
    expect(() => cache.step(u32(sequence), u32(10))).toThrow(
      expect.objectContaining({ code: 'ERR_VATTENTION_DEVICE', driverCode: 5 }),
    )
    expect(cache.backedLength(sequence)).toBe(0)
    expect(cache.step(u32(sequence), u32(10)).status).toBe('ok')
  })

  it('that has no more memory is an outcome of step, not an error', () => {
    using cache = makeCache({}, { faults: { failCall: 1, failCount: 1000, kind: 'create' } })
    const { sequence } = cache.allocate()!
    expect(cache.step(u32(sequence), u32(10))).toMatchObject({
      status: 'outOfMemory',
      limit: 'device',
    })
    cache.setFaults()
    expect(cache.step(u32(sequence), u32(10)).status).toBe('ok')
  })

  it('leaves the mapper working', () => {
    using cache = makeCache({ mapAhead: {} }, { faults: {} })
    for (let failCall = 1; failCall < 30; failCall++) {
      cache.setFaults({ failCall, failCount: 2 })
      const { sequence } = cache.allocate()!
      for (let length = 1; length < 400; length += 60) {
        persist(() => cache.step(u32(sequence), u32(length)))
      }
      cache.mapper.drain()
      cache.check()
      cache.free(sequence)
    }
    cache.setFaults()
    cache.mapper.drain()
    cache.check()
  })

  it('can be had only when it was asked for', () => {
    using cache = makeCache()
    expect(() => cache.setFaults({ failCall: 1 })).toThrow(code('UNSUPPORTED'))
    using faulty = makeCache({}, { faults: {} })
    for (const plan of [{ failCall: -1 }, { kind: 'read' }, { errno: 0.5 }, { nth: 3 }]) {
      expect(() => faulty.setFaults(plan as never)).toThrow(code('INVALID_OPTIONS'))
      expect(() => new ContiguousKvCache(small, { faults: plan as never })).toThrow(
        code('INVALID_OPTIONS'),
      )
    }
  })

  it('counts calls', () => {
    using cache = makeCache({}, { faults: {} })
    const before = cache.setFaults()
    const { sequence } = cache.allocate()!
    cache.step(u32(sequence), u32(10))
    expect(cache.setFaults()).toBeGreaterThan(before)
  })
})
