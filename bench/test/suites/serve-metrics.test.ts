import type { Engine } from '@vattention/engine'
import { describe, expect, it } from 'vitest'

import { namedCache } from '../../src/suite/index.ts'
import { randomOf } from '../../src/harness/index.ts'
import { requestTimings, servingSummary } from '../../src/serving/index.ts'
import { playRequests } from '../../src/suites/serve/play-requests.ts'
import { comparedCase, servedCase } from '../../src/suites/serve/serve-cases.ts'
import type { ServeRun } from '../../src/suites/serve/serve-run.ts'
import { serviceLevel } from '../../src/suites/serve/service-level-option.ts'
import { VirtualClock } from './support/virtual-clock.ts'

/** Milliseconds before each chunk, and its tokens, by the first token of the prompt. */
type Script = Readonly<Record<number, readonly (readonly [ms: number, tokens: number])[]>>

/** An engine that answers by a script. */
function scripted(clock: VirtualClock, script: Script): Pick<Engine, 'generate'> {
  return {
    generate: ({ tokens, ignoreEos, temperature }) => {
      expect({ ignoreEos, temperature }).toEqual({ ignoreEos: true, temperature: 0 })
      const chunks = script[tokens![0]!]!
      return {
        async *[Symbol.asyncIterator]() {
          for (const [ms, count] of chunks) {
            await clock.sleep(ms)
            if (count < 0) throw new Error('no room')
            yield { text: '', tokens: new Array<number>(count).fill(1) }
          }
        },
      } as unknown as ReturnType<Engine['generate']>
    },
  }
}

// prompt tokens, output tokens, seconds
const planned = [
  [10, 3, 0],
  [20, 1, 0.1],
  [30, 4, 0.1],
  [40, 5, 0.4],
] as const

async function play(script: Script, { slow = 0 } = {}) {
  const clock = new VirtualClock()
  const events = await playRequests({
    engine: scripted(clock, script),
    requests: planned.map(([prompt, outputTokens, sendSeconds], i) => ({
      tokens: new Uint32Array(prompt).fill(i),
      outputTokens,
      sendSeconds,
    })),
    clock,
    // A timer that is late.
    pause: (ms) => clock.sleep(ms + slow),
    signal: new AbortController().signal,
  })
  return requestTimings(events)
}

const good: Script = {
  0: [
    [200, 1],
    [50, 1],
    [70, 1],
  ],
  1: [[300, 1]],
  2: [
    [100, 1],
    [10, 2],
    [40, 1],
  ],
  3: [
    [500, 2],
    [100, 3],
  ],
}

function runOf(timings: Awaited<ReturnType<typeof play>>): ServeRun {
  return {
    timings,
    summary: servingSummary(timings, serviceLevel('ttft=310,tpot=30') ?? undefined),
    sentPerSecond: 7.5,
    preemptions: 2,
    recomputedTokens: 11,
    promptTokens: 100,
    cachedTokens: 25,
    stepsOutOfMemory: 1,
    passes: 9,
    peakMappedBytes: 1000,
    peakTotalBytes: 3000,
  }
}

const candidate = { name: 'split, sharing', cache: namedCache('split'), prefixSharing: true }

describe('metrics of serving', () => {
  it('are those of the events, by arithmetic', async () => {
    const timings = await play(good)
    expect(timings.map(({ status }) => status)).toEqual(new Array(4).fill('completed'))
    const parameters = { trace: 'test', arrivals: 'poisson' }
    const { metrics, samples } = servedCase(candidate, parameters, [runOf(timings)], randomOf(1))
    const ms = (values: readonly number[]) => values.map((value) => expect.closeTo(value, 6))
    expect(samples!['ttftMs']).toEqual(ms([200, 300, 100, 500]))
    // (70 + 50) / 2; one token has none; (10 + 40) / 3; 100 / 4
    expect(samples!['tpotMs']).toEqual([...ms([60]), null, ...ms([50 / 3, 25])])
    expect(samples!['e2eMs']).toEqual(ms([320, 300, 150, 600]))
    // From 0 to the last request's 0.4 s + 0.6 s.
    expect(samples!['makespanSeconds']).toEqual(ms([1]))
    expect(metrics).toMatchObject({
      requestsPerSecond: { median: expect.closeTo(4, 6) },
      outputTokensPerSecond: { median: expect.closeTo(13, 6) },
      totalTokensPerSecond: { median: expect.closeTo(113, 6) },
      ttftMs: { n: 4, p50: expect.closeTo(250, 6), p99: null, max: expect.closeTo(500, 6) },
      itlMs: { n: 5, p50: expect.closeTo(50, 6) },
      // Both limits hold for the second, which has no TPOT, and the third.
      goodputRequestsPerSecond: { median: expect.closeTo(2, 6) },
      goodShare: 0.5,
      peakConcurrencyCount: 3,
      preemptionsCount: 2,
      recomputedTokens: 11,
      prefixHitShare: 0.25,
      clientLatenessMs: { max: expect.closeTo(0, 6) },
    })
  })

  it('count latency from the scheduled time, and tell how late the client was', async () => {
    const [, second] = await play(good, { slow: 40 })
    expect(second).toMatchObject({
      sentSeconds: expect.closeTo(0.14, 6),
      ttftSeconds: expect.closeTo(0.34, 6),
      latenessSeconds: expect.closeTo(0.04, 6),
    })
  })

  it('have answers of another length and errors as failures', async () => {
    const timings = await play({ ...good, 0: [[100, 2]], 2: [[100, -1]] })
    expect(timings.map((one) => (one.status === 'failed' ? one.reason : 'served'))).toEqual([
      'it has 2 of 3 tokens',
      'served',
      'no room',
      'served',
    ])
    const { metrics } = servedCase(candidate, { trace: 'test' }, [runOf(timings)], randomOf(1))
    expect(metrics).toMatchObject({ requestsCount: 4, failedCount: 2 })
    // What has served only some of the requests is not compared with what served all.
    const both = { of: [runOf(timings)], over: [runOf(await play(good))] }
    const pair = { of: candidate, over: { ...candidate, name: 'other' } }
    expect(comparedCase(pair, { arrivals: 'offline' }, both, randomOf(1))).toBeUndefined()
  })

  it('compare by makespan offline', async () => {
    const slower = { ...good, 3: [[500, 2] as const, [600, 3] as const] }
    const both = { of: [runOf(await play(good))], over: [runOf(await play(slower))] }
    const pair = { of: candidate, over: { ...candidate, name: 'other' } }
    const compared = comparedCase(pair, { arrivals: 'offline' }, both, randomOf(1))
    expect(compared?.metrics['speedRatio']).toMatchObject({ n: 1, median: expect.closeTo(1.5, 6) })
  })
})

describe('limits on the command line', () => {
  it('are milliseconds, or those of a published model', () => {
    expect(serviceLevel('ttft=450,tpot=40')).toEqual({ ttftSeconds: 0.45, tpotSeconds: 0.04 })
    expect(serviceLevel('llama-2-70b')).toEqual({ ttftSeconds: 2, tpotSeconds: 0.2 })
    expect(serviceLevel('none')).toBeNull()
    expect(() => serviceLevel('ttft')).toThrow(/is no limit/)
    expect(() => serviceLevel('ttft=0')).toThrow(/is no limit/)
  })
})
