import { describe, expect, it } from 'vitest'

import {
  arrivalStatistics,
  assertRate,
  planArrivals,
  rateOf,
  type ArrivalProcess,
} from '../../src/traces/index.ts'
import { code, thrownBy, traceOf } from './support/traces.ts'

const requests = (count: number) =>
  traceOf(Array.from({ length: count }, () => ({ promptTokens: 1, outputTokens: 1 })))

/** Scheduled times of an open plan. */
function timesOf(count: number, process: ArrivalProcess): readonly number[] {
  const plan = planArrivals(requests(count), process)
  if (plan.loop !== 'open') throw new Error('the loop is closed')
  return plan.sendSeconds
}

describe('planArrivals', () => {
  it('replays a trace at its own times', () => {
    const trace = traceOf(
      [0, 0.5, 0.5, 4].map((arrivalSeconds) => ({
        arrivalSeconds,
        promptTokens: 1,
        outputTokens: 1,
      })),
    )
    expect(planArrivals(trace, { kind: 'replayed' })).toEqual({
      loop: 'open',
      process: { kind: 'replayed' },
      sendSeconds: [0, 0.5, 0.5, 4],
      requestsPerSecond: 0.75,
    })
    expect(thrownBy(() => planArrivals(requests(3), { kind: 'replayed' }))).toMatchObject(
      code('TRACE_SCALE'),
    )
  })

  it('draws Poisson arrivals: the requested rate exactly, exponential gaps', () => {
    const process = { kind: 'poisson', requestsPerSecond: 4, seed: 3 } as const
    const times = timesOf(4000, process)
    expect(times[0]).toBe(0)
    expect(times).toEqual([...times].sort((a, b) => a - b))
    expect(rateOf(times)).toBeCloseTo(4, 5)
    expect(arrivalStatistics(times).gapVariation).toBeCloseTo(1, 1)
    // Of exponential gaps 1 / e are longer than the mean.
    const long = times.slice(1).filter((time, i) => time - times[i]! > 1 / 4).length
    expect(long / times.length).toBeCloseTo(Math.exp(-1), 1)
    expect(timesOf(4000, process)).toEqual(times)
    expect(timesOf(4000, { ...process, seed: 4 })).not.toEqual(times)
  })

  it.each([0.25, 1, 4])('draws gamma arrivals of burstiness %d at the rate', (burstiness) => {
    const times = timesOf(20_000, { kind: 'gamma', requestsPerSecond: 0.2, burstiness })
    expect(rateOf(times)).toBeCloseTo(0.2, 5)
    const expected = 1 / Math.sqrt(burstiness)
    const found = arrivalStatistics(times).gapVariation!
    expect(Math.abs(found / expected - 1)).toBeLessThan(0.05)
  })

  it('keeps the rate of a short run, which chance alone would not', () => {
    for (let seed = 0; seed < 20; seed++) {
      const times = timesOf(10, { kind: 'poisson', requestsPerSecond: 0.25, seed })
      expect(rateOf(times)).toBeCloseTo(0.25, 5)
    }
  })

  it('plans all at once, and a closed loop', () => {
    expect(timesOf(3, { kind: 'offline' })).toEqual([0, 0, 0])
    const process = { kind: 'closed', concurrency: 2 } as const
    expect(planArrivals(requests(5), process)).toEqual({
      loop: 'closed',
      process,
      requests: 5,
      concurrency: 2,
    })
    expect(timesOf(1, { kind: 'poisson', requestsPerSecond: 2 })).toEqual([0])
  })

  it.each([
    { kind: 'poisson', requestsPerSecond: 0 },
    { kind: 'gamma', requestsPerSecond: 1, burstiness: -1 },
    { kind: 'closed', concurrency: 0 },
  ] as const)('refuses %o', (process) => {
    expect(thrownBy(() => planArrivals(requests(5), process))).toMatchObject(code('TRACE_SCALE'))
  })
})

describe('assertRate', () => {
  const times = timesOf(100, { kind: 'poisson', requestsPerSecond: 0.2 })

  it('accepts the rate that was asked for and returns the achieved one', () => {
    expect(assertRate('The run', times, 0.2)).toBeCloseTo(0.2, 6)
    expect(assertRate('The run', times, 0.21, 0.1)).toBeCloseTo(0.2, 6)
  })

  it('refuses figures of another rate: a sweep that sends 0.2 per second each time', () => {
    const error = thrownBy(() => assertRate('The run', times, 0.4))
    expect(error).toMatchObject({ ...code('ARRIVAL_RATE'), requestedRate: 0.4 })
    expect((error as { achievedRate: number }).achievedRate).toBeCloseTo(0.2, 6)
    expect(thrownBy(() => assertRate('The run', [0, 0], 1))).toMatchObject(code('ARRIVAL_RATE'))
    expect(thrownBy(() => assertRate('The run', [0], 1))).toMatchObject(code('ARRIVAL_RATE'))
  })
})
