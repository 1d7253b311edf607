import { describe, expect, it } from 'vitest'

import { byteTokenizer, endToken, says } from '../support/byte-tokenizer.ts'
import { recordEngine } from '../support/record-engine.ts'

const tokenizer = byteTokenizer()

/** An engine whose model says `text`. */
const speaker = (text: string) =>
  recordEngine({ tokenizer, vocabularySize: 257, next: says(text) }).engine

async function parts(generation: AsyncIterable<{ text: string }>) {
  const found: string[] = []
  for await (const { text } of generation) if (text) found.push(text)
  return found
}

describe('how answers end', () => {
  it("ends at the model's end token, which has no text", async () => {
    const answer = await speaker('Hello').generate({ prompt: 'Hi>' }).result
    expect(answer).toMatchObject({ text: 'Hello', finishReason: 'stop', stop: endToken })
    expect(answer.tokens).toHaveLength(6)
  })

  it('goes on after it with ignoreEos', async () => {
    const { text, tokens, finishReason } = await speaker('Hello').generate({
      prompt: 'Hi>',
      ignoreEos: true,
      maxTokens: 9,
    }).result
    expect({ text, count: tokens.length, finishReason }).toEqual({
      text: 'Hello',
      count: 9,
      finishReason: 'length',
    })
  })

  it('ends at a stop string, wherever tokens are cut, and never shows part of it', async () => {
    const engine = speaker('one STO two STOP three')
    const generation = engine.generate({ prompt: '>', stop: ['STOP', 'never'] })
    const shown = await parts(generation)
    expect(shown.join('')).toBe('one STO two ')
    expect(shown).toContain('STO ') // withheld until it was clear
    const answer = await generation.result
    expect(answer).toMatchObject({ text: 'one STO two ', finishReason: 'stop', stop: 'STOP' })
    expect(answer.tokens).toHaveLength('one STO two STOP'.length)
  })

  it('shows what was withheld when the answer ends without the stop string', async () => {
    const generation = speaker('abcST').generate({ prompt: '>', stop: 'STOP' })
    expect((await parts(generation)).join('')).toBe('abcST')
    expect((await generation.result).text).toBe('abcST')
  })

  it('ends at a stop string that the last allowed token completes', async () => {
    const { finishReason, stop, text } = await speaker('ab.').generate({
      prompt: '>',
      stop: '.',
      maxTokens: 3,
    }).result
    expect({ finishReason, stop, text }).toEqual({ finishReason: 'stop', stop: '.', text: 'ab' })
  })

  it('ends at a stop token', async () => {
    const { text, stop } = await speaker('ab,cd').generate({
      prompt: '>',
      stopTokens: [44],
    }).result
    expect({ text, stop }).toEqual({ text: 'ab', stop: 44 })
  })

  it('ends at the longest sequence', async () => {
    const { engine } = recordEngine({
      tokenizer,
      vocabularySize: 257,
      next: says('x'.repeat(500)),
      maxLength: 100,
    })
    const { finishReason, tokens } = await engine.generate({ prompt: '12345>' }).result
    expect({ finishReason, count: tokens.length }).toEqual({ finishReason: 'length', count: 94 })
  })

  it('streams whole characters', async () => {
    const generation = speaker('añ🙂b').generate({ prompt: '>' })
    expect(await parts(generation)).toEqual(['a', 'ñ', '🙂', 'b'])
  })

  it('renders conversations with the chat template', async () => {
    const { engine, model } = recordEngine({ tokenizer, vocabularySize: 257, next: says('ok') })
    const { text } = await engine.generate({
      messages: [
        { role: 'system', content: 'S' },
        { role: 'user', content: 'U<end>' },
      ],
    }).result
    expect(text).toBe('ok')
    expect(tokenizer.decode(model.batches[0]!.tokens)).toBe('SU<end>>')
  })
})
