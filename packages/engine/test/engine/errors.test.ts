import { describe, expect, it } from 'vitest'

import type { GenerateOptions } from '../../src/engine/generate-options.ts'
import { byteTokenizer } from '../support/byte-tokenizer.ts'
import { expectedAnswer } from '../support/record-model.ts'
import { randomPrompt, recordEngine } from '../support/record-engine.ts'

const invalid: [name: string, options: object, message: RegExp][] = [
  ['no prompt', {}, /exactly one of prompt, messages and tokens required, found none/],
  ['two prompts', { prompt: 'a', tokens: [1] }, /found prompt, tokens/],
  ['an empty list of tokens', { tokens: [] }, /tokens: token ids, at least one required/],
  ['a token outside of the vocabulary', { tokens: [257] }, /below 257 required, found 257/],
  ['messages without role', { messages: [{ content: 'a' }] }, /messages: an array of/],
  ['chat without messages', { prompt: 'a', chat: {} }, /messages with chat required/],
  ['maxTokens 0', { prompt: 'a', maxTokens: 0 }, /maxTokens: a positive integer/],
  ['a negative temperature', { prompt: 'a', temperature: -1 }, /temperature: a number from 0/],
  ['topP 0', { prompt: 'a', topP: 0 }, /topP: a number above 0 and up to 1/],
  ['NaN', { prompt: 'a', minP: NaN }, /minP/],
  ['a seed that is no integer', { prompt: 'a', seed: 1.5 }, /seed: an integer from 0/],
  ['an empty stop string', { prompt: 'a', stop: ['b', ''] }, /stop: .*none of them empty/],
  ['a bias for an unknown token', { prompt: 'a', logitBias: { 300: 1 } }, /found 300/],
  ['a bias that is no number', { prompt: 'a', logitBias: { 3: 'x' } }, /logitBias/],
  ['too many logprobs', { prompt: 'a', logprobs: 21 }, /logprobs: an integer from 0 to 20/],
  ['an unknown option', { prompt: 'a', maxToken: 1 }, /maxToken is not an option.*maxTokens/],
]

describe('errors of one request', () => {
  it.each(invalid)('refuses %s, and nothing changes', (_, options, message) => {
    const { engine } = recordEngine({ tokenizer: byteTokenizer(), vocabularySize: 257 })
    expect(() => engine.generate(options as GenerateOptions)).toThrow(message)
    expect(engine.metrics()).toMatchObject({ submitted: 0, waiting: 0 })
  })

  it('lists everything that is wrong', () => {
    const { engine } = recordEngine({ tokenizer: byteTokenizer(), vocabularySize: 257 })
    const refused = () => engine.generate({ prompt: 'a', topP: 2, seed: -1, maxTokens: 1.5 })
    expect(refused).toThrow(
      expect.objectContaining({
        code: 'ERR_VATTENTION_INVALID_OPTIONS',
        reasons: [
          expect.objectContaining({ code: 'topP' }),
          expect.objectContaining({ code: 'seed' }),
          expect.objectContaining({ code: 'maxTokens' }),
        ],
      }),
    )
  })

  it('refuses text and stop strings without a tokenizer', () => {
    const { engine } = recordEngine()
    expect(() => engine.generate({ prompt: 'a' })).toThrow(
      expect.objectContaining({ code: 'ERR_VATTENTION_NO_TOKENIZER' }),
    )
    expect(() => engine.generate({ tokens: [1], stop: 'a' })).toThrow(/tokenizer for stop strings/)
  })

  it('refuses what is longer than a sequence, with both numbers', async () => {
    const { engine } = recordEngine({ maxLength: 100 })
    const tokens = randomPrompt(1, 90)
    await expect(engine.generate({ tokens, maxTokens: 11 }).result).rejects.toMatchObject({
      code: 'ERR_VATTENTION_REQUEST_TOO_LONG',
      message: expect.stringMatching(/needs 101 tokens .* may have 100/),
    })
    await expect(engine.generate({ tokens: randomPrompt(1, 100) }).result).rejects.toMatchObject({
      code: 'ERR_VATTENTION_REQUEST_TOO_LONG',
    })
    expect((await engine.generate({ tokens, maxTokens: 10 }).result).tokens).toHaveLength(10)
  })

  it('refuses more than maxWaiting beyond those that may run', async () => {
    const { engine } = recordEngine({ maxSequences: 1, maxWaiting: 2 })
    const first = engine.generate({ tokens: randomPrompt(1, 20), maxTokens: 30 })
    await first[Symbol.asyncIterator]().next()
    const waiting = [2, 3].map((i) =>
      engine.generate({ tokens: randomPrompt(i, 20), maxTokens: 2 }),
    )
    expect(() => engine.generate({ tokens: [1] })).toThrow(
      expect.objectContaining({ code: 'ERR_VATTENTION_QUEUE_FULL' }),
    )
    await Promise.all(waiting.map(({ result }) => result))
    expect((await engine.generate({ tokens: [1], maxTokens: 1 }).result).tokens).toHaveLength(1)
  })

  it('fails the requests of a failed pass and serves the others', async () => {
    const { engine, model, cache } = recordEngine({ maxSequences: 2 })
    const cause = new Error('the kernel said no')
    model.nextError = cause
    const requests = [1, 2, 3].map((i) =>
      engine.generate({ tokens: randomPrompt(i, 20), maxTokens: 5 }),
    )
    const outcomes = await Promise.allSettled(requests.map(({ result }) => result))
    expect(outcomes.map(({ status }) => status)).toContain('rejected')
    expect((outcomes[0] as PromiseRejectedResult).reason).toMatchObject({
      code: 'ERR_VATTENTION_FORWARD',
      cause,
    })
    expect(outcomes[2]).toMatchObject({ status: 'fulfilled' })
    await engine.idle()
    expect(cache.stats().liveSequences).toBe(0)
  })

  it('throws in the iteration what rejects the result', async () => {
    const { engine, model } = recordEngine()
    model.nextError = new Error('no')
    const generation = engine.generate({ tokens: [1, 2], maxTokens: 5 })
    const consume = async () => {
      for await (const _ of generation) void _
    }
    await expect(consume()).rejects.toMatchObject({ code: 'ERR_VATTENTION_FORWARD' })
  })

  it('lets parts be consumed once', async () => {
    const { engine } = recordEngine()
    const generation = engine.generate({ tokens: [1, 2], maxTokens: 2 })
    for await (const _ of generation) void _
    await expect(generation[Symbol.asyncIterator]().next()).rejects.toMatchObject({
      code: 'ERR_VATTENTION_STREAM_TAKEN',
    })
    expect([...(await generation.result).tokens]).toEqual(expectedAnswer([1, 2], 2))
  })
})
