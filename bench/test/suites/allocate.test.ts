import { describe, expect, it } from 'vitest'

import { namedCache, namedShape, Recorder } from '../../src/suite/index.ts'
import { allocate } from '../../src/suites/allocate.ts'
import { allocateBars } from '../../src/suites/allocate/bars.ts'
import { casesOf, runSuite } from './support/run-suite.ts'

const settings = {
  shapes: [namedShape('2/4/2/64')],
  caches: ['split', 'interleaved', 'paged-16'].map(namedCache),
}
/** K and V, layers, heads, dim, bytes of a number. */
const tokenBytes = 2 * 2 * 2 * 64 * 2
const options = { lengths: [1000], rounds: 2, tokensPerSecond: 5000 }

describe('the suite allocate', () => {
  it('backs prompts with as many pages as their layout and class take', async () => {
    const run = await runSuite(allocate, options, settings)
    expect(run.reasons).toEqual([])
    expect(run.recorder.skipped).toEqual([])
    const needed = (parameters: Record<string, string>) =>
      casesOf(run, { part: 'prompts', ...parameters }).map(({ metrics }) => metrics.neededBytes)
    const pages = (pageBytes: number, tensors: number) =>
      Math.ceil((1000 * tokenBytes) / tensors / pageBytes) * pageBytes * tensors
    const only = (pageClasses: string, cache: string) => needed({ pageClasses, cache })
    expect(only('64 KiB only', 'interleaved')).toEqual([pages(2 ** 16, 1)])
    expect(only('64 KiB only', 'split')).toEqual([pages(2 ** 16, 4)])
    expect(only('2 MiB only', 'interleaved')).toEqual([pages(2 ** 21, 1)])
    expect(only('2 MiB only', 'split')).toEqual([pages(2 ** 21, 4)])
    expect(needed({ cache: 'paged-16' })).toEqual([Math.ceil(1000 / 16) * 16 * tokenBytes])
  })

  it('maps fresh memory, and none that is recycled', async () => {
    const run = await runSuite(allocate, options, settings)
    for (const { parameters, metrics } of casesOf(run, { part: 'prompts' })) {
      const { mappedBytes, neededBytes } = metrics
      if (parameters.memory === 'fresh') expect(mappedBytes).toBe(neededBytes)
      if (parameters.memory === 'recycled') expect(mappedBytes).toBe(0)
    }
  })

  it('makes bandwidths of bytes and times', async () => {
    const run = await runSuite(allocate, options, settings)
    for (const { metrics, samples } of casesOf(run, { part: 'prompts' })) {
      const slowest = Math.max(...(samples!.stepUs as number[]))
      const { min } = metrics.stepGbPerSecond as { min: number }
      expect(min / ((1000 * tokenBytes) / slowest / 1000)).toBeCloseTo(1, 4)
    }
  })

  it('tells the growth of a model at a rate that was given', async () => {
    const run = await runSuite(allocate, options, settings)
    const [demand] = casesOf(run, { part: 'demand' })
    expect(demand!.metrics).toEqual({
      growthGbPerSecond: (5000 * tokenBytes) / 1e9,
      modelTokensPerSecond: 5000,
      tokenBytes,
    })
  })

  it('says why growth is not known without a rate', async () => {
    const run = await runSuite(allocate, { lengths: [16], rounds: 1 }, settings)
    expect(run.recorder.skipped).toEqual([
      {
        case: 'KV growth of 2/4/2/64',
        reason: 'the weights of 2/4/2/64 are not known: give --tokens-per-second',
      },
    ])
  })
})

describe('the bar of allocate', () => {
  const prompts = (gbPerSecond: number, other: Record<string, string | number> = {}) => ({
    name: `prompts at ${gbPerSecond} GB/s`,
    parameters: {
      ...{ part: 'prompts', memory: 'fresh', shape: 'llama-3-8b', cache: 'interleaved' },
      ...{ pageClasses: 'size classes', tokens: 16_384, ...other },
    },
    metrics: {
      stepGbPerSecond: { n: 30, median: gbPerSecond, low: gbPerSecond, high: gbPerSecond },
      readyGbPerSecond: { n: 30, median: 1, low: 1, high: 1 },
    },
  })
  function barsOf(name: string, quick: boolean) {
    const recorder = new Recorder()
    recorder.add(prompts(100, { pageClasses: '2 MiB only' }))
    recorder.add(prompts(200, { tokens: 2048 }))
    recorder.add(prompts(300, { memory: 'recycled' }))
    recorder.add(prompts(2000))
    const device = { name } as Parameters<typeof allocateBars>[0]['device']
    allocateBars({ device, settings: { quick, budgetSeconds: 1, seed: 1 }, recorder })
    return recorder.bars
  }

  it('is of fresh prompts of 16K with size classes, on its GPU, in a full run', () => {
    expect(barsOf('NVIDIA H200', false)).toMatchObject([
      { value: 2000, bar: 900, kind: 'atLeast', met: true, decided: true, unit: 'GB/s' },
    ])
    expect(barsOf('NVIDIA H200', true)).toEqual([])
    expect(barsOf('NVIDIA A100', false)).toEqual([])
  })
})
