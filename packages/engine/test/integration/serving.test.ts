import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import { ContiguousKvCache } from '@vattention/core'
import { CpuBackend } from '@vattention/cpu'
import type { KvCache } from '@vattention/interface'

import { Engine } from '../../src/engine/engine.ts'
import { kvCacheShape } from '../../src/model/cache-shape.ts'
import { loadModel } from '../../src/model/load-model.ts'
import type { LoadedModel } from '../../src/model/loaded-model.ts'
import { smolLm2 } from '../support/model-file.ts'
import { chatPrompts } from '../support/prompts.ts'
import { cacheKinds, serve } from '../support/serving.ts'

let model: LoadedModel
beforeAll(async () => {
  model = await loadModel(smolLm2())
})
afterAll(() => model.dispose())

const chat = (content: string, system = 'Answer in one sentence.') => ({
  messages: [
    { role: 'system', content: system },
    { role: 'user', content },
  ],
})

describe.each(cacheKinds)('serving SmolLM2 through a %s cache', (kind) => {
  it('serves 32 requests at once, each streamed, sharing their system prompt', async () => {
    await using serving = await serve({ model, kind, slots: 32 })
    const { engine, cache } = serving
    const system = 'You are a careful assistant who answers briefly and to the point. '.repeat(12)
    const texts = await Promise.all(
      Array.from({ length: 32 }, async (_, i) => {
        const content = `${chatPrompts[i % 8]!} Number ${i}.`
        const generation = engine.generate({ ...chat(content, system), maxTokens: 16 })
        let text = ''
        for await (const part of generation) text += part.text
        expect((await generation.result).text).toBe(text)
        return text
      }),
    )
    for (const text of texts) expect(text.length).toBeGreaterThan(0)
    await engine.idle()
    const metrics = engine.metrics()
    expect(metrics.held + metrics.cachedTokens).toBeGreaterThan(0)
    // All but the first share the system prompt but for less than two blocks.
    const systemTokens = model.tokenizer!.encode(system).length
    expect(metrics.cachedTokens).toBeGreaterThan(31 * (systemTokens - 32))
    expect(cache.stats()).toMatchObject({ liveSequences: 0, mappedBytes: 0 })
  })

  it('gives all memory back when requests are cancelled in any state', async () => {
    await using serving = await serve({ model, kind, slots: 8, maxBatchTokens: 32 })
    const { engine, cache } = serving
    const controllers = Array.from({ length: 12 }, () => new AbortController())
    const generations = controllers.map(({ signal }, i) =>
      engine.generate({ ...chat(chatPrompts[i % 8]!.repeat(5)), signal, maxTokens: 50 }),
    )
    // The first decode, some have prompts half computed, the last wait.
    await generations[0]![Symbol.asyncIterator]().next()
    for (const controller of controllers) controller.abort()
    const outcomes = await Promise.allSettled(generations.map(({ result }) => result))
    expect(new Set(outcomes.map(({ status }) => status))).toEqual(new Set(['rejected']))
    await engine.idle()
    expect(cache.stats()).toMatchObject({ liveSequences: 0, mappedBytes: 0 })
    const { text } = await engine.generate({ ...chat('Say hello.'), maxTokens: 10 }).result
    expect(text.length).toBeGreaterThan(0)
  })

  it('ends at stop strings', async () => {
    await using serving = await serve({ model, kind })
    const request = chat('What is the capital of France?')
    const whole = await serving.engine.generate({ ...request, maxTokens: 30 }).result
    const stop = whole.text.slice(12, 20)
    const cut = await serving.engine.generate({ ...request, maxTokens: 30, stop }).result
    expect(cut).toMatchObject({ finishReason: 'stop', stop, text: whole.text.split(stop)[0] })
  })

  it('fails alone what does not fit, and serves the others', async () => {
    await using serving = await serve({ model, kind, limitBytes: 12 * 2 ** 20, length: 2048 })
    const { engine } = serving
    const small = engine.generate({ ...chat('Say hello.'), maxTokens: 10 })
    const large = engine.generate({ ...chat('word '.repeat(1200)), maxTokens: 10 })
    const after = engine.generate({ ...chat('Say goodbye.'), maxTokens: 10 })
    await expect(large.result).rejects.toMatchObject({ code: 'ERR_VATTENTION_REQUEST_TOO_LARGE' })
    expect((await small.result).text.length).toBeGreaterThan(0)
    expect((await after.result).text.length).toBeGreaterThan(0)
  })

  it('can be disposed while it serves', async () => {
    const serving = await serve({ model, kind })
    const running = serving.engine.generate({ ...chat('Tell a long story.') })
    await running[Symbol.asyncIterator]().next()
    await serving[Symbol.asyncDispose]()
    await expect(running.result).rejects.toMatchObject({ code: 'ERR_VATTENTION_DISPOSED' })
  })
})

describe('sampling', () => {
  it('gives a seed the same answer alone, in a batch, and through either cache', async () => {
    const request = {
      ...chat('Invent a name for a cat.'),
      temperature: 0.8,
      topK: 50,
      topP: 0.95,
      minP: 0.02,
      repetitionPenalty: 1.1,
      presencePenalty: 0.2,
      frequencyPenalty: 0.1,
      seed: 7,
      maxTokens: 24,
    }
    const answers: number[][] = []
    for (const kind of cacheKinds) {
      for (const mates of [0, 6]) {
        await using serving = await serve({ model, kind })
        const others = Array.from({ length: mates }, (_, i) =>
          serving.engine.generate({ ...chat(chatPrompts[i]!), maxTokens: 20 }),
        )
        answers.push([...(await serving.engine.generate(request).result).tokens])
        await Promise.all(others.map(({ result }) => result))
      }
    }
    for (const answer of answers) expect(answer).toEqual(answers[0])
    await using serving = await serve({ model })
    const other = await serving.engine.generate({ ...request, seed: 8 }).result
    expect([...other.tokens]).not.toEqual(answers[0])
  })

  it('reports logprobs, takes the most likely, and obeys biases', async () => {
    await using serving = await serve({ model })
    const request = { ...chat('What is the capital of France?'), maxTokens: 12 }
    const greedy = await serving.engine.generate({ ...request, logprobs: 5 }).result
    for (const { token, logprob, margin, top } of greedy.logprobs!) {
      expect(top).toHaveLength(5)
      expect(top[0]).toEqual({ token, logprob })
      expect(top[0]!.logprob - top[1]!.logprob).toBeCloseTo(margin, 3)
      const mass = top.reduce((sum, { logprob: log }) => sum + Math.exp(log), 0)
      expect(mass).toBeLessThanOrEqual(1.0001)
    }
    const first = greedy.tokens[0]!
    const second = greedy.logprobs![0]!.top[1]!.token
    const forbidden = await serving.engine.generate({
      ...request,
      logitBias: { [first]: -Infinity },
    }).result
    expect(forbidden.tokens[0]).toBe(second)
    const narrow = await serving.engine.generate({ ...request, temperature: 2, topK: 1 }).result
    expect([...narrow.tokens]).toEqual([...greedy.tokens])
  })
})

describe('what does not fit together', () => {
  it('is refused with every reason', async () => {
    const { valueHeadDim: _, ...shape } = kvCacheShape(model.description, { maxLength: 256 })
    using cache = new ContiguousKvCache({
      ...shape,
      layers: 29,
      headDim: 32,
      limitBytes: 2 ** 26,
    })
    using backend = new CpuBackend()
    await expect(Engine.create({ model, cache, backend })).rejects.toMatchObject({
      code: 'ERR_VATTENTION_ENGINE_UNSUPPORTED',
      reasons: [
        expect.objectContaining({ code: 'layers', expected: '30', found: '29' }),
        expect.objectContaining({ code: 'headDim', expected: '64', found: '32' }),
        expect.objectContaining({ code: 'valueHeadDim' }),
      ],
    })
  })

  it('is refused when cache or backend have no native part', async () => {
    const { valueHeadDim: _, ...shape } = kvCacheShape(model.description, { maxLength: 256 })
    using real = new ContiguousKvCache({ ...shape, limitBytes: 2 ** 26 })
    using backend = new CpuBackend()
    const cache = new Proxy<KvCache>(real, {
      get(target, name) {
        if (name === 'native') return undefined
        const value: unknown = Reflect.get(target, name, target)
        return typeof value === 'function' ? value.bind(target) : value
      },
    })
    await expect(Engine.create({ model, cache, backend })).rejects.toThrow(
      /the contiguous cache has no native part/,
    )
  })
})
