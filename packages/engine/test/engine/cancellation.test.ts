import { describe, expect, it } from 'vitest'

import type { Generation } from '../../src/engine/generation.ts'
import { expectedAnswer } from '../support/record-model.ts'
import { randomPrompt, recordEngine } from '../support/record-engine.ts'
import { byteTokenizer } from '../support/byte-tokenizer.ts'

/** Nothing of any request is left. */
async function expectNothingLeft({ engine, cache }: ReturnType<typeof recordEngine>) {
  await engine.idle()
  expect(engine.metrics()).toMatchObject({ running: 0, waiting: 0 })
  expect(cache.stats()).toMatchObject({ liveSequences: 0, mappedBytes: 0 })
}

const long = randomPrompt(1, 200)

describe('cancellation', () => {
  it('ends a request that waits', async () => {
    const setup = recordEngine({ maxSequences: 1 })
    const running = setup.engine.generate({ tokens: long, maxTokens: 50 })
    const controller = new AbortController()
    const waiting = setup.engine.generate({ tokens: long, signal: controller.signal })
    await running[Symbol.asyncIterator]().next()
    controller.abort(new Error('changed my mind'))
    await expect(waiting.result).rejects.toThrow('changed my mind')
    expect(setup.engine.metrics().waiting).toBeLessThanOrEqual(1)
    expect((await running.result).tokens).toHaveLength(50)
    await expectNothingLeft(setup)
  })

  it('ends a request before its text is tokenized, or aborted from the start', async () => {
    const setup = recordEngine({ tokenizer: byteTokenizer(), vocabularySize: 257 })
    const controller = new AbortController()
    const first = setup.engine.generate({ prompt: 'a b '.repeat(100), signal: controller.signal })
    controller.abort()
    const second = setup.engine.generate({ prompt: 'a', signal: controller.signal })
    await expect(first.result).rejects.toMatchObject({ name: 'AbortError' })
    await expect(second.result).rejects.toMatchObject({ name: 'AbortError' })
    expect(setup.model.batches).toEqual([])
    await expectNothingLeft(setup)
  })

  it('ends a request whose prompt is being computed', async () => {
    const setup = recordEngine({ maxBatchTokens: 16, maxSequences: 4 })
    const controller = new AbortController()
    let passes = 0
    setup.model.onForward = () => {
      if (++passes === 3) controller.abort()
    }
    const { result } = setup.engine.generate({ tokens: long, signal: controller.signal })
    await expect(result).rejects.toMatchObject({ name: 'AbortError' })
    await expectNothingLeft(setup)
    expect(passes).toBe(3)
  })

  it('ends a request that decodes, and no other', async () => {
    const setup = recordEngine()
    const controller = new AbortController()
    const aborted = setup.engine.generate({ tokens: long, signal: controller.signal })
    const other = setup.engine.generate({ tokens: randomPrompt(2, 30), maxTokens: 40 })
    const seen: number[] = []
    const consume = async () => {
      for await (const { tokens } of aborted) {
        seen.push(...tokens)
        if (seen.length >= 5) controller.abort()
      }
    }
    await expect(consume()).rejects.toMatchObject({ name: 'AbortError' })
    expect(seen.slice(0, 5)).toEqual(expectedAnswer(long, 5))
    expect([...(await other.result).tokens]).toEqual(expectedAnswer(randomPrompt(2, 30), 40))
    await expectNothingLeft(setup)
  })

  it('ends a request whose consumer stops', async () => {
    const setup = recordEngine()
    const generation = setup.engine.generate({ tokens: long })
    let seen = 0
    for await (const { tokens } of generation) {
      seen += tokens.length
      if (seen >= 3) break
    }
    const answer = await generation.result
    expect(answer.finishReason).toBe('cancelled')
    expect([...answer.tokens]).toEqual(expectedAnswer(long, answer.tokens.length))
    await expectNothingLeft(setup)
    expect(setup.engine.metrics().finished.cancelled).toBe(1)
  })

  it('ends a request by cancel(), once, with what there is', async () => {
    const setup = recordEngine()
    const generation = setup.engine.generate({ tokens: long })
    const iterator = generation[Symbol.asyncIterator]()
    await iterator.next()
    generation.cancel()
    generation.cancel()
    expect((await generation.result).finishReason).toBe('cancelled')
    const rest = await iterator.next()
    expect(rest.value).toMatchObject({ finishReason: 'cancelled' })
    expect((await iterator.next()).done).toBe(true)
    await expectNothingLeft(setup)
  })

  it('survives a storm of requests that leave at random', async () => {
    const setup = recordEngine({ cache: { blocks: 40 }, maxBatchTokens: 48, maxSequences: 12 })
    const generations: Generation[] = []
    setup.model.onForward = () => {
      const leaver = generations[(setup.model.batches.length * 7) % generations.length]
      if (setup.model.batches.length % 3 === 0) leaver?.cancel()
    }
    for (let i = 0; i < 60; i++) {
      generations.push(
        setup.engine.generate({ tokens: randomPrompt(i % 7, 20 + i), maxTokens: 20 + (i % 5) }),
      )
    }
    const answers = await Promise.all(generations.map(({ result }) => result))
    for (const [i, { tokens }] of answers.entries()) {
      expect([...tokens]).toEqual(expectedAnswer(randomPrompt(i % 7, 20 + i), tokens.length))
    }
    expect(answers.some(({ finishReason }) => finishReason === 'cancelled')).toBe(true)
    expect(answers.some(({ finishReason }) => finishReason === 'length')).toBe(true)
    await expectNothingLeft(setup)
  })
})
