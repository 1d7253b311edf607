import { describe, expect, it } from 'vitest'

import { MachineGauge, randomOf } from '../../src/harness/index.ts'

describe('the speed of the machine', () => {
  it('is told as rates of all looks, and around what was between the last two', () => {
    let at = 0
    let readingMs = 1
    using gauge = new MachineGauge({ now: () => (at += readingMs) })
    gauge.look()
    const once = gauge.gauges(randomOf(1))
    expect(Object.keys(once)).toEqual([
      'hashingGbPerSecond',
      'readingGbPerSecond',
      'copyingGbPerSecond',
      'newMemoryGbPerSecond',
    ])
    expect(once['readingGbPerSecond']).toMatchObject({ n: 3, median: 2 ** 25 / 1e6 })
    readingMs = 2
    gauge.look()
    gauge.look()
    expect(gauge.gauges(randomOf(1))['readingGbPerSecond']).toMatchObject({ n: 9 })
    expect(gauge.around()['readingGbPerSecond']).toBe(2 ** 25 / 2e6)
  })

  it('tells nothing by a clock that stands still', () => {
    using gauge = new MachineGauge({ now: () => 5 })
    gauge.look()
    expect(gauge.gauges(randomOf(1))).toEqual({})
  })
})
