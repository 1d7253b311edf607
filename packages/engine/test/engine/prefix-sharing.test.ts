import { describe, expect, it } from 'vitest'

import { expectedAnswer } from '../support/record-model.ts'
import { randomPrompt, recordEngine } from '../support/record-engine.ts'

const system = randomPrompt(99, 300)
const chat = (i: number) => [...system, ...randomPrompt(i, 10 + i)]
const sharedTokens = Math.floor(system.length / 16) * 16

describe('sharing prefixes', () => {
  it('computes a beginning once for requests one after the other', async () => {
    const { engine } = recordEngine()
    await engine.generate({ tokens: chat(1), maxTokens: 5 }).result
    const { tokens, usage } = await engine.generate({ tokens: chat(2), maxTokens: 5 }).result
    expect([...tokens]).toEqual(expectedAnswer(chat(2), 5))
    expect(usage.cachedTokens).toBe(sharedTokens)
  })

  it('computes a beginning once for requests that arrive together', async () => {
    const { engine, model, eventsOf } = recordEngine({
      cache: { blocks: 200 },
      maxBatchTokens: 128,
      maxSequences: 32,
    })
    const requests = Array.from({ length: 16 }, (_, i) =>
      engine.generate({ tokens: chat(i), maxTokens: 8 }),
    )
    const answers = await Promise.all(requests.map(({ result }) => result))
    for (const [i, { tokens, usage }] of answers.entries()) {
      expect([...tokens]).toEqual(expectedAnswer(chat(i), 8))
      expect(usage.cachedTokens).toBe(i === 0 ? 0 : sharedTokens)
    }
    expect(eventsOf('held')).toHaveLength(15)
    const computed = model.batches.reduce((sum, { tokens }) => sum + tokens.length, 0)
    const own = answers.reduce(
      (sum, { usage }) => sum + usage.promptTokens - usage.cachedTokens + 7,
      0,
    )
    expect(computed).toBe(own)
    expect(engine.metrics()).toMatchObject({ cachedTokens: 15 * sharedTokens, held: 15 })
  })

  it('holds nobody back for a beginning of a few tokens, another salt, or a finished prompt', async () => {
    const { engine, eventsOf } = recordEngine({ maxBatchTokens: 64, maxSequences: 8 })
    const few = system.slice(0, 30)
    const answers = await Promise.all(
      [
        { tokens: [...few, ...randomPrompt(1, 100)], salt: 'a' },
        { tokens: [...few, ...randomPrompt(2, 100)], salt: 'a' },
        { tokens: chat(1), salt: 'b' },
        { tokens: chat(1), salt: 'c' },
      ].map((request) => engine.generate({ ...request, maxTokens: 3 }).result),
    )
    expect(eventsOf('held')).toEqual([])
    expect(answers.map(({ usage }) => usage.cachedTokens)).toEqual([0, 16, 0, 0])
  })

  it('lets those wait no longer whose forerunner leaves', async () => {
    const { engine, model, eventsOf } = recordEngine({ maxBatchTokens: 200, maxSequences: 8 })
    const forerunner = new AbortController()
    const first = engine.generate({ tokens: chat(1), maxTokens: 5, signal: forerunner.signal })
    const second = engine.generate({ tokens: chat(2), maxTokens: 5 })
    model.onForward = () => {
      if (model.batches.length === 2) forerunner.abort()
    }
    await expect(first.result).rejects.toThrow(/aborted/)
    expect(eventsOf('held')).toHaveLength(1)
    expect([...(await second.result).tokens]).toEqual(expectedAnswer(chat(2), 5))
  })

  it('shares nothing when told not to', async () => {
    const { engine } = recordEngine({ prefixCaching: false })
    const [a, b] = await Promise.all(
      [1, 1].map((i) => engine.generate({ tokens: chat(i), maxTokens: 5 }).result),
    )
    expect(a!.usage.cachedTokens + b!.usage.cachedTokens).toBe(0)
    expect([...b!.tokens]).toEqual(expectedAnswer(chat(1), 5))
  })

  it('computes what was set back again from what the index kept', async () => {
    const { engine, eventsOf } = recordEngine({ cache: { blocks: 30 }, maxSequences: 8 })
    const requests = Array.from({ length: 6 }, (_, i) => randomPrompt(i, 60))
    const answers = await Promise.all(
      requests.map((tokens) => engine.generate({ tokens, maxTokens: 50 }).result),
    )
    for (const [i, { tokens }] of answers.entries()) {
      expect([...tokens]).toEqual(expectedAnswer(requests[i]!, 50))
    }
    expect(eventsOf('preempted').length).toBeGreaterThan(0)
    expect(engine.metrics().recomputedTokens).toBeGreaterThan(0)
  })
})
