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
import { fillRows, hasRows, isZero } from './support/rows.ts'

describe('driver calls that fail', () => {
  it('each once: a typed error, nothing changed, and the next call works', () => {
    let lives = 0
    for (let failCall = 1; ; failCall++) {
      if (!live(failCall)) break
      lives++
    }
    expect(lives).toBeGreaterThan(6)
  })

  it('of the constructor leave nothing', () => {
    let failed = 0
    for (let failCall = 1; ; failCall++) {
      try {
        using cache = makeCache({}, { faults: { failCall } })
        cache.setFaults()
        break
      } catch (error) {
        failed++
        expect(error).toEqual(code('OUT_OF_MEMORY'))
      }
    }
    expect(failed).toBe(3) // reserve, create, map
  })

  it('of dispose are told, and disposing again gives the rest back', () => {
    const cache = makeCache({}, { faults: {} })
    sequenceOf(cache, 10)
    cache.setFaults({ failCall: 1, failCount: 2, errno: 5 })
    expect(() => cache.dispose()).toThrow('giving the block pool back failed')
    expect(() => cache.allocate()).toThrow(code('DISPOSED'))
    expect(() => cache.dispose()).toThrow(code('DEVICE'))
    cache.dispose()
  })

  it('need a cache that was made with faults', () => {
    using cache = makeCache()
    expect(() => cache.setFaults({ failCall: 1 })).toThrow(code('UNSUPPORTED'))
    using faulty = makeCache({}, { faults: {} })
    const calls = faulty.setFaults()
    sequenceOf(faulty, 10)
    faulty.free(sequenceOf(faulty, 160))
    sequenceOf(faulty, 160)
    expect(faulty.setFaults()).toBeGreaterThan(calls)
    expect(() => faulty.setFaults({ failKall: 1 } as never)).toThrow('did you mean failCall?')
  })
})

/** A life in which driver call number `failCall` fails; returns whether it came to that. */
function live(failCall: number): boolean {
  using cache = makeCache({ limitBytes: 15 * 8 * 192 }, { faults: {} })
  let failed = false
  const tryStep = (sequences: number[], lengths: number[]) => {
    const before = [blocksOf(cache).mapped, ...sequences.map((one) => tableOf(cache, one as never))]
    try {
      expect(cache.step(u32(...sequences), u32(...lengths)).status).toBe('ok')
    } catch (error) {
      expect(error).toEqual(code('DEVICE'))
      expect((error as { driverCode: number }).driverCode).toBe(5)
      expect((error as { driverCall: string }).driverCall).toMatch(/(zero|copy) \(injected\)/)
      const after = sequences.map((one) => tableOf(cache, one as never))
      expect([blocksOf(cache).mapped, ...after]).toEqual(before)
      cache.check()
      failed = true
      expect(cache.step(u32(...sequences), u32(...lengths)).status).toBe('ok')
    }
    cache.check()
  }
  cache.setFaults({ failCall, errno: 5 })
  const first = sequenceOf(cache, 30)
  fillRows(cache, first, 0, 30)
  cache.publish(first, tokensOf(30))
  const fork = cache.fork(first, 21)!
  tryStep([fork], [26])
  cache.truncate(fork, 14)
  tryStep([first, fork], [33, 15])
  cache.free(first)
  const { sequence: third } = cache.allocate()!
  tryStep([third], [90])
  tryStep([third, fork], [91, 22])
  expect(hasRows(cache, fork, 0, 14)).toBe(true)
  expect(isZero(cache, fork, 16, 22)).toBe(true)
  expect(isZero(cache, third, 0, 91)).toBe(true)
  stepTo(cache, fork, 23)
  cache.setFaults()
  return failed
}
