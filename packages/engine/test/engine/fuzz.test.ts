import { describe, expect, it } from 'vitest'

import { expectedAnswer } from '../support/record-model.ts'
import { random } from '../support/random.ts'
import { randomPrompt, recordEngine } from '../support/record-engine.ts'

const seeds = 150

/** One random crowd over one random cache: every answer is right, and nothing is left. */
async function crowd(seed: number): Promise<void> {
  const next = random(seed)
  const pick = (low: number, high: number) => low + Math.floor(next() * (high - low + 1))
  const blockTokens = pick(0, 1) ? 16 : 32
  const maxSequences = pick(1, 12)
  const setup = recordEngine({
    // The longest request takes 160 tokens.
    cache: { blocks: pick(160 / blockTokens, 600 / blockTokens), blockTokens, maxSequences: 16 },
    maxSequences,
    maxBatchTokens: pick(maxSequences, 100),
    prefixCaching: next() < 0.8,
  })
  const { engine, cache, model } = setup
  const beginnings = [[], randomPrompt(1, 70), randomPrompt(2, 40)]
  const running = Array.from({ length: pick(1, 24) }, async (_, i) => {
    const prompt = [...beginnings[pick(0, 2)]!, ...randomPrompt(pick(0, 5), pick(1, 40))]
    const maxTokens = pick(1, 50)
    const leaves = next() < 0.2 ? pick(0, 60) : undefined
    const priority = pick(-1, 1)
    // Some come later: after so many passes.
    const arrives = pick(0, 20)
    for (let turn = 0; turn < arrives; turn++) await new Promise((resume) => setImmediate(resume))
    const generation = engine.generate({
      id: `${i}`,
      tokens: prompt,
      maxTokens,
      priority,
      salt: next() < 0.1 ? 'other' : '',
    })
    if (leaves !== undefined) {
      void (async () => {
        for (let turn = 0; turn < leaves; turn++)
          await new Promise((resume) => setImmediate(resume))
        generation.cancel()
      })()
    }
    const { tokens, finishReason } = await generation.result
    expect([...tokens], `request ${i}`).toEqual(expectedAnswer(prompt, tokens.length))
    if (leaves === undefined) expect([finishReason, tokens.length]).toEqual(['length', maxTokens])
  })
  await Promise.all(running)
  await engine.idle()
  expect(cache.stats()).toMatchObject({ liveSequences: 0, mappedBytes: 0 })
  expect(engine.metrics()).toMatchObject({ running: 0, waiting: 0, failed: 0 })
  // Nobody waited in vain: each pass computed something.
  for (const { tokens } of model.batches) expect(tokens.length).toBeGreaterThan(0)
}

describe('random crowds', () => {
  it.each(Array.from({ length: seeds / 15 }, (_, i) => 15 * i + 1))(
    'are answered rightly, seeds %i and the next 14',
    async (first) => {
      for (let seed = first; seed < first + 15; seed++) {
        await crowd(seed).catch((error: unknown) => {
          throw new Error(`seed ${seed}`, { cause: error })
        })
      }
    },
  )
})
