import { describe, expect, it } from 'vitest'

import { MachineGauge, randomOf } from '../../src/harness/index.ts'

const together = 'readingOnAllCoresGbPerSecond'

describe('the speed of the machine', () => {
  it('is told as rates of all looks, and around what was between the last two', async () => {
    let at = 0
    let readingMs = 1
    await using gauge = await MachineGauge.open({ now: () => (at += readingMs) }, false)
    gauge.look()
    const once = gauge.gauges(randomOf(1))
    expect(Object.keys(once)).toEqual([
      'hashingGbPerSecond',
      'readingGbPerSecond',
      'copyingGbPerSecond',
      'newMemoryGbPerSecond',
    ])
    expect(once['readingGbPerSecond']).toMatchObject({ n: 3, median: 2 ** 25 / 1e6 })
    gauge.glance()
    expect(gauge.gauges(randomOf(1))).toEqual(once)
    readingMs = 2
    gauge.look()
    gauge.look()
    expect(gauge.gauges(randomOf(1))['readingGbPerSecond']).toMatchObject({ n: 9 })
    expect(gauge.around()['readingGbPerSecond']).toBe(2 ** 25 / 2e6)
  })

  it('reads memory by all cores between rounds, once a second', async () => {
    let at = 0
    let readingMs = 1
    await using gauge = await MachineGauge.open({ now: () => (at += readingMs) }, true)
    const readings = () => gauge.gauges(randomOf(1))[together]?.n
    gauge.look()
    expect(readings()).toBe(3)
    for (let i = 0; i < 3; i++) {
      at += 900
      gauge.glance()
    }
    expect(readings()).toBe(5)
    const fast = gauge.gauges(randomOf(1))[together]!.median!
    readingMs = 4
    for (let i = 0; i < 8; i++) {
      at += 1000
      gauge.glance()
    }
    gauge.look()
    // Of all the time between the looks: most of it was at a quarter of the speed.
    expect(gauge.around()[together]).toBe(fast / 4)
  })

  it('tells nothing by a clock that stands still', async () => {
    await using gauge = await MachineGauge.open({ now: () => 5 }, true)
    gauge.look()
    gauge.glance()
    expect(gauge.gauges(randomOf(1))).toEqual({})
  })
})
