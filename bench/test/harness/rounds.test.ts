import { describe, expect, it } from 'vitest'

import {
  HostDevice,
  interleave,
  launchesFor,
  randomOf,
  timeRounds,
} from '../../src/harness/index.ts'
import { HandClock } from '../suites/support/hand-clock.ts'

const collect = <T>(_: string, pending: T) => pending

describe('interleave', () => {
  it('measures each subject once a round, in orders of their own', async () => {
    const order: string[] = []
    const subjects = Object.fromEntries(
      ['a', 'b', 'c', 'd'].map((name) => [name, () => order.push(name)]),
    )
    const limits = { most: 20, warmUp: 2, clock: new HandClock(), random: randomOf(6) }
    const samples = await interleave({ subjects, collect, ...limits })
    for (const of of Object.values(samples)) expect(of).toHaveLength(20)
    const rounds = Array.from({ length: 22 }, (_, i) => order.slice(4 * i, 4 * i + 4).join(''))
    for (const one of rounds) expect([...one].sort().join('')).toBe('abcd')
    expect(new Set(rounds).size).toBeGreaterThan(5)
  })

  it('ends when no other round fits into the budget, after the least number', async () => {
    const clock = new HandClock()
    const subjects = { slow: () => clock.advance(10) }
    const limits = { most: 1000, warmUp: 1, clock, random: randomOf(7) }
    const of = async (least: number, budgetMs: number) =>
      (await interleave({ subjects, collect, ...limits, least, budgetMs })).slow
    expect(await of(4, 1)).toHaveLength(4)
    // The round that warms up is paid from it too.
    expect(await of(1, 65)).toHaveLength(5)
  })

  it('collects samples when the round has ended', async () => {
    let ended = 0
    const samples = await interleave({
      subjects: { a: () => ended },
      endRound: () => Promise.resolve(void ended++),
      collect: (name, pending) => `${name}${pending}${ended}`,
      ...{ most: 2, warmUp: 0, clock: new HandClock(), random: randomOf(8) },
    })
    expect(samples.a).toEqual(['a01', 'a12'])
  })

  it('drops the round in which it is aborted, and keeps those before', async () => {
    const controller = new AbortController()
    let runs = 0
    const one = () => {
      if (++runs === 5) controller.abort()
      return runs
    }
    const samples = await interleave({
      subjects: { a: one, b: one },
      collect,
      ...{ most: 10, warmUp: 0, clock: new HandClock(), random: randomOf(9) },
      signal: controller.signal,
    })
    expect(runs).toBe(5)
    expect(samples.a).toHaveLength(2)
    expect(samples.b).toHaveLength(2)
  })
})

describe('timing', () => {
  it('gives a sample as many launches as it takes', () => {
    expect(launchesFor(0.5, 25)).toBe(50)
    expect(launchesFor(200, 25)).toBe(1)
    expect(launchesFor(0, 25)).toBe(256)
    expect(launchesFor(0, 25, 8)).toBe(8)
  })

  it('rotates through layers, and counts a launch', async () => {
    const clock = new HandClock()
    using device = new HostDevice(clock, 2 ** 16)
    const layers: number[] = []
    const subject = {
      run(layer: number) {
        layers.push(layer)
        clock.advance(3)
      },
    }
    const samples = await timeRounds(
      device,
      new Map([['a', { subject, layers: 3, launches: 2 }]]),
      {
        ...{ most: 2, warmUp: 1, clock, random: randomOf(1) },
      },
    )
    expect(samples.a!.map(({ ms }) => ms)).toEqual([3, 3])
    expect(layers).toEqual([0, 1, 2, 0, 1, 2])
  })
})
