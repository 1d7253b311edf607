/** The tokenizer inside a GGUF file. */
import { engineErrors } from '../errors.ts'
import type { GgufMetadata } from '../model/gguf-metadata.ts'
import { findEndTokens } from './end-tokens.ts'
import { preTokenizer, preTokenizerNames } from './pre-tokenizers.ts'
import { sentencePieceMerges } from './sentence-piece-merges.ts'
import type { AddedTokenDefinition, TokenizerDefinition, TokenizerSource } from './source.ts'

/** Values of `tokenizer.ggml.token_type`. */
const tokenType = { normal: 1, unknown: 2, control: 3, userDefined: 4, unused: 5, byte: 6 }

/**
 * What the metadata says about the tokenizer.
 * @throws `ERR_VATTENTION_TOKENIZER_UNSUPPORTED` for kinds other than BPE and sentencepiece's BPE.
 */
export function ggufTokenizer(path: string, metadata: GgufMetadata): TokenizerSource {
  const kind = metadata.optionalString('tokenizer.ggml.model')
  const tokens = metadata.strings('tokenizer.ggml.tokens')
  const types = metadata.optionalNumbers('tokenizer.ggml.token_type')
  const typeOf = (id: number) => types?.[id] ?? tokenType.normal
  const addedTokens = tokens.flatMap((content, id): AddedTokenDefinition[] => {
    const special = typeOf(id) === tokenType.control || typeOf(id) === tokenType.unknown
    return special || typeOf(id) === tokenType.userDefined ? [{ id, content, special }] : []
  })
  const id = (name: string) => metadata.optionalNumber(`tokenizer.ggml.${name}_token_id`)
  const bosToken = id('bos')
  const eosToken = id('eos')
  const chatTemplate = metadata.optionalString('tokenizer.chat_template')
  const isSentencePiece = kind === 'llama'
  const parts = { tokens, addedTokens, typeOf }
  return {
    path,
    definition: isSentencePiece
      ? sentencePieceDefinition(metadata, parts)
      : bytePairDefinition(path, metadata, kind, parts),
    spelling: isSentencePiece ? 'sentencePiece' : 'byteLevel',
    ...(isSentencePiece && (metadata.optionalBoolean('tokenizer.ggml.add_space_prefix') ?? true)
      ? { spacePrefix: { sections: 'every', unlessSpace: false } }
      : {}),
    addBos:
      bosToken !== undefined &&
      (metadata.optionalBoolean('tokenizer.ggml.add_bos_token') ?? isSentencePiece),
    ...(bosToken === undefined ? {} : { bosToken }),
    ...(eosToken === undefined ? {} : { eosToken }),
    endTokens: findEndTokens(
      [eosToken, id('eot'), id('eom')],
      addedTokens.filter((token) => token.special).map((token) => [token.id, token.content]),
    ),
    ...(chatTemplate === undefined ? {} : { chatTemplate }),
  }
}

interface Parts {
  readonly tokens: readonly string[]
  readonly addedTokens: readonly AddedTokenDefinition[]
  readonly typeOf: (id: number) => number
}

const vocabulary = (tokens: readonly string[]) =>
  Object.fromEntries(tokens.map((token, id) => [token, id]))

function bytePairDefinition(
  path: string,
  metadata: GgufMetadata,
  kind: string | undefined,
  { tokens, addedTokens }: Parts,
): TokenizerDefinition {
  const refuse = (code: string, found: string, expected: string) =>
    engineErrors.tokenizerUnsupported(path, [
      { code, message: `${code} ${expected} is supported, found ${found}`, expected, found },
    ])
  if (kind !== 'gpt2') throw refuse('tokenizer.ggml.model', kind ?? 'none', 'gpt2 or llama')
  const name = metadata.optionalString('tokenizer.ggml.pre') ?? 'default'
  const pre = preTokenizer(name)
  if (!pre) throw refuse('tokenizer.ggml.pre', name, preTokenizerNames.join(', '))
  return {
    normalizer: pre.normalizer,
    pre_tokenizer: pre.definition,
    post_processor: null,
    decoder: { type: 'ByteLevel' },
    added_tokens: addedTokens,
    model: {
      type: 'BPE',
      unk_token: null,
      ignore_merges: pre.ignoreMerges,
      vocab: vocabulary(tokens),
      merges: metadata.strings('tokenizer.ggml.merges'),
    },
  }
}

function sentencePieceDefinition(
  metadata: GgufMetadata,
  { tokens, addedTokens, typeOf }: Parts,
): TokenizerDefinition {
  const scores = metadata.optionalNumbers('tokenizer.ggml.scores') ?? []
  const unknown = metadata.optionalNumber('tokenizer.ggml.unknown_token_id') ?? 0
  return {
    normalizer: {
      type: 'Replace',
      pattern: { String: ' ' },
      content: '▁',
    },
    pre_tokenizer: null,
    post_processor: null,
    decoder: null,
    added_tokens: addedTokens,
    model: {
      type: 'BPE',
      unk_token: tokens[unknown] ?? null,
      byte_fallback: true,
      vocab: vocabulary(tokens),
      merges: sentencePieceMerges(
        tokens,
        scores,
        (id) => typeOf(id) === tokenType.normal || typeOf(id) === tokenType.userDefined,
      ),
    },
  }
}
