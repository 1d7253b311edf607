import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import { loadModel } from '../../src/model/load-model.ts'
import type { LoadedModel } from '../../src/model/loaded-model.ts'
import { smolLm2 } from '../support/model-file.ts'
import { chatPrompts } from '../support/prompts.ts'
import { cacheKinds, serve, type ServingOptions } from '../support/serving.ts'

const maxTokens = 40
const requests = chatPrompts.map((content) => ({
  messages: [{ role: 'user', content }],
  maxTokens,
}))

let model: LoadedModel
/** Each prompt alone, through a contiguous cache. */
let expected: { text: string; tokens: number[] }[]

beforeAll(async () => {
  model = await loadModel(smolLm2())
  await using serving = await serve({ model, prefixCaching: false })
  expected = []
  for (const request of requests) {
    const { text, tokens } = await serving.engine.generate(request).result
    expected.push({ text, tokens: [...tokens] })
  }
})

afterAll(() => model.dispose())

async function answersOf(options: Omit<ServingOptions, 'model'>) {
  await using serving = await serve({ model, ...options })
  const { engine, cache, events } = serving
  const results = await Promise.all(requests.map((request) => engine.generate(request).result))
  await engine.idle()
  expect(cache.stats()).toMatchObject({ liveSequences: 0, mappedBytes: 0 })
  return {
    answers: results.map(({ text, tokens }) => ({ text, tokens: [...tokens] })),
    preemptions: events.filter(({ kind }) => kind === 'preempted').length,
  }
}

describe("SmolLM2's greedy answers", () => {
  it('make sense', () => {
    expect(expected[0]!.text).toContain('Paris')
    expect(expected[6]!.text).toMatch(/def /)
    for (const { tokens } of expected) expect(tokens.length).toBeGreaterThan(3)
  })

  it.each(cacheKinds)('are the same in a batch: %s cache', async (kind) => {
    expect((await answersOf({ kind })).answers).toEqual(expected)
  })

  it.each(cacheKinds)('are the same with prompts in chunks: %s cache', async (kind) => {
    const { answers } = await answersOf({ kind, maxSequences: 8, maxBatchTokens: 13 })
    expect(answers).toEqual(expected)
  })

  it.each(cacheKinds)('are the same without sharing prefixes: %s cache', async (kind) => {
    expect((await answersOf({ kind, prefixCaching: false })).answers).toEqual(expected)
  })

  it.each(cacheKinds)('are the same after preemption: %s cache', async (kind) => {
    // About 200 tokens fit: two answers, or three at first, which then set each other back. Split, a
    // page of each of the 60 tensors would hold more than any answer, and nothing would run out.
    const layout = { layout: 'interleaved' } as const
    const { answers, preemptions } = await answersOf({ kind, ...layout, limitBytes: 4.5 * 2 ** 20 })
    expect(preemptions).toBeGreaterThan(0)
    expect(answers).toEqual(expected)
  })
})
