import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

import { Tokenizer } from '@huggingface/tokenizers'
import { afterAll, describe, expect, it } from 'vitest'

import { huggingFaceTokenizer } from '../../src/tokenizer/hugging-face-tokenizer.ts'
import { ModelTokenizer } from '../../src/tokenizer/model-tokenizer.ts'
import { byteTokenizerSource } from '../support/byte-tokenizer.ts'
import { random } from '../support/random.ts'
import { temporaryFolder } from '../support/tiny-model.ts'

const { path: folder, dispose } = temporaryFolder()
afterAll(dispose)

const added = (id: number, content: string, special: boolean) => ({
  id,
  content,
  special,
  single_word: false,
  lstrip: false,
  rstrip: false,
  normalized: false,
})

/** A vocabulary of sentencepiece's kind: control tokens, bytes, letters and a few words. */
const pieces = ['▁', ...'abcde', '▁a', 'ab', '▁ab', 'cd', 'de', '▁cde', 'abc']
const bytes = Array.from(
  { length: 256 },
  (_, byte) => `<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`,
)
const tokens = ['<unk>', '<s>', '</s>', ...bytes, ...pieces]
const sentencePiece = {
  type: 'BPE',
  unk_token: '<unk>',
  byte_fallback: true,
  fuse_unk: true,
  vocab: Object.fromEntries(tokens.map((token, id) => [token, id])),
  merges: ['▁ a', 'a b', '▁ ab', 'c d', 'd e', '▁ cde', 'ab c'],
}
const replace = { type: 'Replace', pattern: { String: ' ' }, content: '▁' }
const llamaTokens = [added(0, '<unk>', true), added(1, '<s>', true), added(2, '</s>', true)]
const withBos = {
  type: 'TemplateProcessing',
  single: [{ SpecialToken: { id: '<s>', type_id: 0 } }, { Sequence: { id: 'A', type_id: 0 } }],
  pair: [],
  special_tokens: { '<s>': { id: '<s>', ids: [1], tokens: ['<s>'] } },
}

const definitions = {
  // Llama 2 and Mistral 7B as first published.
  prepend: {
    normalizer: { type: 'Sequence', normalizers: [{ type: 'Prepend', prepend: '▁' }, replace] },
    pre_tokenizer: null,
    post_processor: withBos,
    decoder: null,
    added_tokens: llamaTokens,
    model: sentencePiece,
  },
  // Mistral 7B v0.3.
  'metaspace, first': {
    normalizer: null,
    pre_tokenizer: { type: 'Metaspace', replacement: '▁', prepend_scheme: 'first', split: false },
    post_processor: withBos,
    decoder: null,
    added_tokens: llamaTokens,
    model: sentencePiece,
  },
  // Yi.
  'no prefix': {
    normalizer: replace,
    pre_tokenizer: null,
    post_processor: null,
    decoder: null,
    added_tokens: llamaTokens,
    model: sentencePiece,
  },
  // Qwen3 and its kind: byte level, some added tokens that are no control tokens.
  'byte level': {
    ...byteTokenizerSource().definition,
    normalizer: { type: 'NFC' },
    added_tokens: [added(256, '<end>', true), added(257, '<think>', false)],
  },
}

function texts(count: number): string[] {
  const next = random(3)
  const parts = [
    'a',
    'b',
    'ab',
    'cde',
    ' ',
    '  ',
    'x',
    'ü',
    '</s>',
    '<s>',
    '<end>',
    '<think>',
    '\n',
  ]
  return Array.from({ length: count }, () =>
    Array.from({ length: 12 }, () => parts[Math.floor(next() * parts.length)]).join(''),
  )
}

async function read(name: string, definition: object, config: object = {}) {
  const path = join(folder, name.replaceAll(/\W/g, ''))
  mkdirSync(path, { recursive: true })
  writeFileSync(join(path, 'tokenizer.json'), JSON.stringify(definition))
  writeFileSync(
    join(path, 'tokenizer_config.json'),
    JSON.stringify({ bos_token: '<s>', eos_token: { content: '</s>' }, ...config }),
  )
  return huggingFaceTokenizer(path, { eos_token_id: [2, 5] })
}

describe('tokenizer.json', () => {
  it.each(Object.entries(definitions))(
    'gives the tokens of the library that reads it: %s',
    async (name, definition) => {
      const ours = new ModelTokenizer(await read(name, definition))
      const theirs = new Tokenizer(definition, { clean_up_tokenization_spaces: false })
      for (const text of texts(200)) {
        const ids = theirs.encode(text, { add_special_tokens: true }).ids
        expect([...ours.encode(text, { controlTokens: true })], JSON.stringify(text)).toEqual(ids)
      }
    },
  )

  it('says whether prompts start with BOS, and what ends them', async () => {
    const llama = await read('prepend', definitions.prepend)
    expect(llama).toMatchObject({ addBos: true, bosToken: 1, eosToken: 2, endTokens: [2, 5] })
    expect(llama.spacePrefix).toEqual({ sections: 'every', unlessSpace: false })
    const yi = await read('no prefix', definitions['no prefix'])
    expect(yi).toMatchObject({ addBos: false, bosToken: 1 })
    expect(yi).not.toHaveProperty('spacePrefix')
    const old = await read('no prefix', definitions['no prefix'], { add_bos_token: true })
    expect(old.addBos).toBe(true)
    const qwen = await read('byte level', definitions['byte level'], {
      bos_token: null,
      eos_token: '<end>',
      chat_template: [
        { name: 'tool_use', template: 'tools' },
        { name: 'default', template: 'plain' },
      ],
    })
    expect(qwen).toMatchObject({ addBos: false, endTokens: [2, 5, 256], chatTemplate: 'plain' })
  })

  it('shows added tokens that are no control tokens, also from users', async () => {
    const qwen = new ModelTokenizer(await read('byte level', definitions['byte level']))
    expect([...qwen.encode('<think><end>')].slice(0, 2)).toEqual([257, 60])
    expect(qwen.decode([257, 256, 97])).toBe('<think>a')
  })
})
