import { afterAll, describe, expect, it } from 'vitest'

import { describeModel } from '../../src/model/read-model.ts'
import { ModelTokenizer } from '../../src/tokenizer/model-tokenizer.ts'
import { preTokenizerNames } from '../../src/tokenizer/pre-tokenizers.ts'
import { byteTokenizerSource } from '../support/byte-tokenizer.ts'
import { randomText } from '../support/random-text.ts'
import { temporaryFolder, writeTinyGguf } from '../support/tiny-model.ts'

const { path: folder, dispose } = temporaryFolder()
afterAll(dispose)

/** A tokenizer that knows every word it is asked about, so that words show as tokens. */
async function wordsOf(pre: string, text: string): Promise<string[]> {
  const { tokenizer } = await describeModel(
    writeTinyGguf(folder, { metadata: { 'tokenizer.ggml.pre': pre } }),
  )
  const { Tokenizer } = await import('@huggingface/tokenizers')
  const { pre_tokenizer: split } = new Tokenizer(tokenizer!.definition, {})
  const words: string[] = split!(text)
  const full = new ModelTokenizer({ ...byteTokenizerSource() })
  return words.map((word) =>
    new TextDecoder().decode(
      Uint8Array.from(Array.from(word), (character) => {
        const id = tokenizer!.definition.model.vocab[character]!
        return full.tokenBytes(id)[0]!
      }),
    ),
  )
}

const text = "I'LL pay 12345€ (or 6789),\n\n  she'll  see!\r\nÄ̈ß 你好 ٣٤ ok…"

describe('pre-tokenizers', () => {
  it("cut words as GPT-2's", async () => {
    expect(await wordsOf('gpt-2', text)).toEqual([
      'I',
      "'",
      'LL',
      ' pay',
      ' 12345',
      '€',
      ' (',
      'or',
      ' 6789',
      '),',
      '\n\n ',
      ' she',
      "'ll",
      ' ',
      ' see',
      '!',
      '\r',
      '\n',
      'Ä',
      '̈',
      'ß',
      ' 你好',
      ' ٣٤',
      ' ok',
      '…',
    ])
  })

  it("cut single digits of any script, as SmolLM's", async () => {
    expect(await wordsOf('smollm', '12 a٣b')).toEqual(['1', '2', ' a', '٣', 'b'])
  })

  it("cut words as Llama 3's", async () => {
    expect(await wordsOf('llama-bpe', text)).toEqual([
      'I',
      "'LL",
      ' pay',
      ' ',
      '123',
      '45',
      '€',
      ' (',
      'or',
      ' ',
      '678',
      '9',
      '),\n\n',
      ' ',
      ' she',
      "'ll",
      ' ',
      ' see',
      '!\r\n',
      'Ä',
      '̈ß',
      ' 你好',
      ' ',
      '٣٤',
      ' ok',
      '…',
    ])
  })

  it("cut words as Qwen2's", async () => {
    expect(await wordsOf('qwen2', 'In 123,\n  x')).toEqual([
      'In',
      ' ',
      '1',
      '2',
      '3',
      ',\n',
      ' ',
      ' x',
    ])
  })

  it.each(preTokenizerNames)('give the same tokens in slices as at once: %s', async (pre) => {
    const { tokenizer } = await describeModel(
      writeTinyGguf(folder, { metadata: { 'tokenizer.ggml.pre': pre } }),
    )
    const made = new ModelTokenizer(tokenizer!)
    for (let seed = 1; seed <= 5; seed++) {
      const long = randomText(seed, 5000)
      const bytes = new TextEncoder().encode(pre === 'qwen2' ? long.normalize('NFC') : long)
      // A vocabulary of bytes has one token for each, whatever the words are.
      expect([...(await made.encodeAsync(long))]).toEqual([...bytes])
    }
  })

  it('refuses others, naming those it knows', async () => {
    const unknown = writeTinyGguf(folder, { metadata: { 'tokenizer.ggml.pre': 'tekken' } })
    await expect(describeModel(unknown)).rejects.toMatchObject({
      code: 'ERR_VATTENTION_TOKENIZER_UNSUPPORTED',
      message: expect.stringMatching(/tokenizer.ggml.pre .*llama-bpe.* found tekken/),
    })
    const wordPiece = writeTinyGguf(folder, { metadata: { 'tokenizer.ggml.model': 'bert' } })
    await expect(describeModel(wordPiece)).rejects.toThrow(/gpt2 or llama is supported, found bert/)
  })
})
