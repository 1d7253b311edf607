import { describe, expect, it } from 'vitest'

import { MachineGauge, randomOf } from '../../src/harness/index.ts'

describe('the speed of the machine', () => {
  it('is looked at again after ten seconds only, and told as rates', () => {
    let at = 0
    // Each reading is a millisecond after the one before.
    using gauge = new MachineGauge({ now: () => at++ })
    gauge.look()
    gauge.look()
    const once = gauge.gauges(randomOf(1))
    expect(Object.keys(once)).toEqual([
      'hashingGbPerSecond',
      'copyingGbPerSecond',
      'newMemoryGbPerSecond',
    ])
    expect(once['copyingGbPerSecond']).toMatchObject({ n: 3, median: (2 * 2 ** 25) / 1e6 })
    at += 10_000
    gauge.look()
    expect(gauge.gauges(randomOf(1))['copyingGbPerSecond']).toMatchObject({ n: 6 })
  })

  it('tells nothing by a clock that stands still', () => {
    using gauge = new MachineGauge({ now: () => 5 })
    gauge.look()
    expect(gauge.gauges(randomOf(1))).toEqual({})
  })
})
