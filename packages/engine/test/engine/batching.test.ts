import { describe, expect, it } from 'vitest'

import { expectedAnswer } from '../support/record-model.ts'
import { randomPrompt, recordEngine } from '../support/record-engine.ts'

const prompts = Array.from({ length: 32 }, (_, i) => randomPrompt(i + 1, 5 + ((i * 37) % 150)))

describe('batching', () => {
  it('answers one request as the model does', async () => {
    const { engine } = recordEngine()
    const { result } = engine.generate({ tokens: prompts[3]!, maxTokens: 40 })
    const answer = await result
    expect([...answer.tokens]).toEqual(expectedAnswer(prompts[3]!, 40))
    expect(answer.finishReason).toBe('length')
    expect(answer.usage).toEqual({
      promptTokens: prompts[3]!.length,
      cachedTokens: 0,
      completionTokens: 40,
      preemptions: 0,
    })
  })

  it.each([
    { maxBatchTokens: 512, maxSequences: 32 },
    { maxBatchTokens: 33, maxSequences: 32 },
    { maxBatchTokens: 7, maxSequences: 5 },
    { maxBatchTokens: 1, maxSequences: 1 },
  ])(
    'answers 32 requests the same with $maxBatchTokens tokens and $maxSequences sequences a pass',
    async (limits) => {
      const { engine, model } = recordEngine({ ...limits, cache: { blocks: 1000 } })
      const answers = await Promise.all(
        prompts.map((tokens, i) => engine.generate({ tokens, maxTokens: 20 + i }).result),
      )
      for (const [i, { tokens }] of answers.entries()) {
        expect([...tokens]).toEqual(expectedAnswer(prompts[i]!, 20 + i))
      }
      for (const { tokens, sequences } of model.batches) {
        expect(tokens.length).toBeLessThanOrEqual(limits.maxBatchTokens)
        expect(sequences.length).toBeLessThanOrEqual(limits.maxSequences)
      }
    },
  )

  it('puts decoding rows before prompts, and prompts into chunks', async () => {
    const { engine, model } = recordEngine({ maxBatchTokens: 32, maxSequences: 4 })
    const short = engine.generate({ tokens: randomPrompt(1, 10), maxTokens: 30 })
    await short[Symbol.asyncIterator]().next()
    await engine.generate({ tokens: randomPrompt(2, 100), maxTokens: 2 }).result
    const mixed = model.batches.filter(({ queryLengths }) => queryLengths.length === 2)
    expect(mixed.length).toBeGreaterThan(3)
    for (const { queryLengths } of mixed) expect(queryLengths[0]).toBe(1)
    expect(Math.max(...mixed.map(({ queryLengths }) => queryLengths[1]!))).toBe(31)
    short.cancel()
  })

  it('gives a seed the same answer whatever its batch', async () => {
    const alone = recordEngine()
    const options = { tokens: prompts[7]!, temperature: 1, seed: 42, maxTokens: 25 }
    const first = await alone.engine.generate(options).result
    const crowd = recordEngine({ cache: { blocks: 40 }, maxBatchTokens: 16, maxSequences: 16 })
    const others = prompts
      .slice(0, 8)
      .map((tokens) => crowd.engine.generate({ tokens, maxTokens: 25 }))
    const second = await crowd.engine.generate(options).result
    await Promise.all(others.map(({ result }) => result))
    expect([...second.tokens]).toEqual([...first.tokens])
    expect(second.seed).toBe(42)
    const otherSeed = await alone.engine.generate({ ...options, seed: 43 }).result
    expect([...otherSeed.tokens]).not.toEqual([...first.tokens])
  })

  it('serves higher priorities first, and equals in turn', async () => {
    const { engine, eventsOf } = recordEngine({ maxSequences: 1, maxBatchTokens: 64 })
    const requests = [
      { id: 'first', priority: 0 },
      { id: 'low', priority: -1 },
      { id: 'second', priority: 0 },
      { id: 'third', priority: 0 },
    ].map((names) => engine.generate({ ...names, tokens: randomPrompt(1, 20), maxTokens: 3 }))
    await Promise.all(requests.map(({ result }) => result))
    expect(eventsOf('admitted').map(({ id }) => id)).toEqual(['first', 'second', 'third', 'low'])
  })

  it('sets a running request back for one of higher priority', async () => {
    const { engine, model, eventsOf } = recordEngine({ maxSequences: 1, maxBatchTokens: 64 })
    const low = engine.generate({ id: 'low', tokens: prompts[0]!, maxTokens: 30, priority: 1 })
    await low[Symbol.asyncIterator]().next()
    const high = engine.generate({ id: 'high', tokens: prompts[1]!, maxTokens: 5, priority: 2 })
    const [a, b] = await Promise.all([low.result, high.result])
    expect(eventsOf('preempted')).toMatchObject([{ id: 'low', reason: 'priority' }])
    expect([...a.tokens]).toEqual(expectedAnswer(prompts[0]!, 30))
    expect([...b.tokens]).toEqual(expectedAnswer(prompts[1]!, 5))
    expect(model.batches.length).toBeLessThan(45)
  })
})
