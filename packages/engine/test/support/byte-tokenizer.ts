/** A tokenizer of 256 byte tokens and an end token, 256: enough for texts of tests. */
import { ModelTokenizer } from '../../src/tokenizer/model-tokenizer.ts'
import type { TokenizerSource } from '../../src/tokenizer/source.ts'

/** Id of the end token. */
export const endToken = 256

/** What the tokenizer is made of. */
export function byteTokenizerSource(): TokenizerSource {
  const printable = (byte: number) =>
    (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174
  let next = 256
  const alphabet = Array.from({ length: 256 }, (_, byte) =>
    String.fromCharCode(printable(byte) ? byte : next++),
  )
  return {
    path: 'byte tokenizer',
    definition: {
      normalizer: null,
      pre_tokenizer: { type: 'ByteLevel', add_prefix_space: false, use_regex: true },
      post_processor: null,
      decoder: { type: 'ByteLevel' },
      added_tokens: [{ id: endToken, content: '<end>', special: true }],
      model: {
        type: 'BPE',
        unk_token: null,
        vocab: Object.fromEntries([...alphabet, '<end>'].map((token, id) => [token, id])),
        merges: [],
      },
    },
    spelling: 'byteLevel',
    addBos: false,
    eosToken: endToken,
    endTokens: [endToken],
    chatTemplate:
      "{% for message in messages %}{{ message['content'] }}{% endfor %}{% if add_generation_prompt %}>{% endif %}",
  }
}

/** The tokenizer. */
export const byteTokenizer = () => new ModelTokenizer(byteTokenizerSource())

/** A model that continues every prompt with `text`, then with end tokens. */
export function says(text: string): (history: readonly number[]) => number {
  const bytes = new TextEncoder().encode(text)
  // Prompts of these tests end with '>', which the answer does not contain.
  return (history) => bytes[history.length - 1 - history.lastIndexOf(62)] ?? endToken
}
