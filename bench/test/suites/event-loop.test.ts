import { describe, expect, it } from 'vitest'

import type { Latencies } from '../../src/result/index.ts'
import { namedCache } from '../../src/suite/index.ts'
import { chatRequests } from '../../src/suites/serve/chat-requests.ts'
import { delaysOf } from '../../src/suites/serve/event-loop-delay.ts'
import { modelText } from '../../src/suites/serve/model-text.ts'
import { serveSuite } from '../../src/suites/serve/serve-suite.ts'
import { countingModel } from './support/counting-model.ts'
import { casesOf, runSuite } from './support/run-suite.ts'
import { VirtualClock } from './support/virtual-clock.ts'

describe('delays of the event loop', () => {
  it("are what the timer's ticks take beyond its interval", () => {
    const at: Readonly<Record<number, number>> = { 50: 0.9e6, 90: 1.5e6, 99: 3e6, 99.9: 7e6 }
    const histogram = { count: 400, max: 9e6, percentile: (share: number) => at[share]! }
    expect(delaysOf(histogram, 1)).toEqual({ n: 400, p50: 0, p90: 0.5, p99: 2, p999: 6, max: 8 })
  })
})

describe('chat requests', () => {
  const load = { requests: 5, systemWords: 12, questionWords: 40 }
  const model = countingModel({ clock: new VirtualClock() })

  it('share a system prompt, and have questions of their own', () => {
    const tokens = chatRequests(model, load, 1).map((one) => [...one.tokens!])
    expect(new Set(tokens.map((one) => one.slice(0, 12).join())).size).toBe(1)
    expect(new Set(tokens.map((one) => one.slice(12, 14).join())).size).toBe(5)
    // From a twentieth of the longest on.
    expect(tokens.map(({ length }) => length - 12)).toEqual([2, 16, 30, 5, 19])
    expect(chatRequests(model, load, 1)).toEqual(chatRequests(model, load, 1))
    expect(chatRequests(model, load, 2)).not.toEqual(chatRequests(model, load, 1))
  })

  it('are messages where the model has a template, else text', () => {
    const tokenizer = {
      chatTemplate: 'a template',
      renderChat: () => '<s>rendered',
      encodeChat: () => Uint32Array.of(1, 2),
      encode: () => Uint32Array.of(3),
      decode: () => 'x',
    }
    const chat = chatRequests({ ...model, text: modelText(tokenizer) }, load, 1)
    expect(chat[0]!.messages!.map(({ role }) => role)).toEqual(['system', 'user'])
    const base = modelText({ ...tokenizer, chatTemplate: undefined })
    expect(base.asked('what?', 'be brief.')).toEqual({ prompt: 'be brief. what?' })
    expect(modelText(tokenizer).prompt('what?')).toEqual({
      text: '<s>rendered',
      tokens: Uint32Array.of(1, 2),
    })
    expect(base.prompt('what?')).toEqual({ text: 'what?', tokens: Uint32Array.of(3) })
  })
})

describe('the event loop beside serving', () => {
  /** Runs the suite with a monitor that has seen this p99; tells when it was watched. */
  async function serve(quick: boolean, p99: number) {
    const clock = new VirtualClock()
    const delays: Latencies = { n: 100, p50: 0.1, p99, max: 20 }
    let [watched, watching] = [0, false]
    const onPass = () => {
      if (watching) watched++
    }
    const suite = serveSuite('online', {
      openModel: () => Promise.resolve(countingModel({ clock, onPass })),
      pause: (milliseconds, signal) => clock.sleep(milliseconds, signal),
      startDelayMonitor: () => {
        watching = true
        return {
          end() {
            watching = false
            return delays
          },
        }
      },
    })
    const options = { requests: 2, rounds: 1, rates: [5], limit: 2 ** 24, threads: 1 }
    const small = { profile: ['azure-2023-conv'], maxTotalTokens: 160, commonTokens: 8 }
    const run = await runSuite(
      suite,
      { ...options, ...small, arrivals: ['poisson'] },
      { caches: [namedCache('split')], quick },
      { clock },
    )
    return { run, watched, watching }
  }

  it('is watched while all requests are served, and no longer', async () => {
    const { run, watched, watching } = await serve(true, 3)
    expect(run.reasons).toEqual([])
    expect(run.recorder.skipped).toEqual([])
    const [found] = casesOf(run, { part: 'event loop' })
    expect(found).toMatchObject({
      parameters: { requests: 8, outputTokens: 16, cache: 'split', prefixSharing: true },
      metrics: { eventLoopDelayMs: { n: 100, p50: 0.1, p99: 3, max: 20 } },
    })
    // A pass takes 10 ms at least, and each request sixteen of them.
    expect(watched).toBeGreaterThanOrEqual(16)
    expect(watching).toBe(false)
    expect(found!.metrics['outputTokensPerSecond']).toBeLessThanOrEqual((8 * 16) / 0.16)
    expect(run.recorder.bars).toEqual([])
  })

  it('has a bar in a full run, of 32 requests', async () => {
    const bars = async (p99: number) => (await serve(false, p99)).run.recorder.bars
    const bar = { name: 'event-loop delay, 32 requests: p99', kind: 'atMost', bar: 10, unit: 'ms' }
    expect(await bars(10)).toEqual([{ ...bar, value: 10, met: true }])
    expect(await bars(10.5)).toEqual([{ ...bar, value: 10.5, met: false }])
  })
})
