import { describe, expect, it } from 'vitest'

import { figures, randomOf } from '../../src/harness/index.ts'
import { parseSmi } from '../../src/harness/nvidia-smi.ts'
import { parseReadings, parseTime, summarizeReadings } from '../../src/harness/telemetry.ts'

const line = (ms: string, clock: number) =>
  `2026/01/02 03:04:05.${ms}, ${clock}, 2619, 701.25, 61, 0x04\n`
const at = new Date(2026, 0, 2, 3, 4, 5).getTime()

describe('telemetry', () => {
  it('reads lines of nvidia-smi, and leaves out one that is half written', () => {
    const readings = parseReadings(
      `${line('100', 1980)}${line('150', 1700)}2026/01/02 03:04:05.200, 19`,
    )
    expect(readings).toHaveLength(2)
    expect(readings[1]).toEqual({
      at: at + 150,
      ...{ smClockMhz: 1700, memoryClockMhz: 2619, powerW: 701.25, temperatureC: 61 },
      throttleReasons: '0x04',
    })
    expect(parseTime('yesterday')).toBeNaN()
  })

  it('has null for what nvidia-smi does not know', () => {
    expect(parseSmi('1980, [N/A], [Not Supported], 40, Active')).toEqual({
      ...{ smClockMhz: 1980, memoryClockMhz: null, powerW: null, temperatureC: 40 },
      throttleReasons: null,
    })
  })

  it('finds the readings of a sample’s time, or the nearest', () => {
    const readings = parseReadings(line('100', 1980) + line('150', 1700) + line('200', 1500))
    expect(summarizeReadings(readings, at + 90, at + 160)?.smClockMhz).toBe(1840)
    expect(summarizeReadings(readings, at + 140, at + 141)?.smClockMhz).toBe(1700)
    expect(summarizeReadings(readings, at + 5000, at + 5001)).toBeNull()
  })

  it('puts clocks and power beside the figures of samples, where they are known', () => {
    const readings = parseReadings(line('100', 1980) + line('150', 1700) + line('200', 1500))
    const between = (from: number, to: number) => summarizeReadings(readings, from, to)
    const samples = [{ ms: 2, from: at + 140, to: at + 160 }]
    const rate = { metric: 'tflops', work: 1 }
    const known = figures(samples, rate, { between }, randomOf(1))
    expect(known.samples).toEqual({
      ...{ ms: [2], smClockMhz: [1700], powerWatts: [701.25], throttleBits: [4] },
    })
    expect(known.metrics.tflops).toMatchObject({ median: 500 })
    expect(known.metrics.tflopsPerGhz).toMatchObject({ median: 500 / 1.7 })
    const unknown = figures(samples, rate, { between: () => null }, randomOf(1))
    expect(unknown.samples).toEqual({ ms: [2] })
    expect(Object.keys(unknown.metrics)).toEqual(['tflops', 'ms'])
  })
})
