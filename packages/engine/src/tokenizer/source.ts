/**
 * What a tokenizer is made of, whatever file it came from: the definition that
 * @huggingface/tokenizers reads, the tokens' kinds, and the rules about the first and last tokens.
 */

/** The part of a tokenizer.json that we read or make. */
export interface TokenizerDefinition {
  readonly normalizer: unknown
  readonly pre_tokenizer: unknown
  readonly post_processor: unknown
  readonly decoder: unknown
  readonly model: {
    readonly type?: string
    readonly vocab: Readonly<Record<string, number>>
    readonly [name: string]: unknown
  }
  readonly added_tokens: readonly AddedTokenDefinition[]
}

/** A token that text is split at before anything else happens. */
export interface AddedTokenDefinition {
  readonly id: number
  readonly content: string
  /** Control tokens: users' text never becomes one, and their text is not shown. */
  readonly special: boolean
  readonly lstrip?: boolean
  readonly rstrip?: boolean
}

/** How tokens spell bytes: GPT-2's alphabet, or sentencepiece's ▁ and `<0xNN>`. */
export type TokenSpelling = 'byteLevel' | 'sentencePiece'

/** Where a space is put before text. */
export interface SpacePrefix {
  /** `first`: before the text. `every`: also before what follows a control token. */
  readonly sections: 'first' | 'every'
  /** Not where a space is already. */
  readonly unlessSpace: boolean
}

/** Everything that a `ModelTokenizer` is made of. */
export interface TokenizerSource {
  /** File it came from, for messages. */
  readonly path: string
  readonly definition: TokenizerDefinition
  readonly spelling: TokenSpelling
  /** How sentencepiece puts a space before the first word of a text; absent when it does not. */
  readonly spacePrefix?: SpacePrefix
  /** First token of a sequence, if the vocabulary has one. */
  readonly bosToken?: number
  /** Whether a prompt starts with it. */
  readonly addBos: boolean
  /** Token that ends a document, for chat templates. */
  readonly eosToken?: number
  /** All tokens after which a model has nothing more to say. */
  readonly endTokens: readonly number[]
  /** Jinja; absent in base models. */
  readonly chatTemplate?: string
}
