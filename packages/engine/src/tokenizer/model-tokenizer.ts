/** Text to tokens and back, as the model's own file defines it. */
import { Tokenizer } from '@huggingface/tokenizers'

import { engineErrors } from '../errors.ts'
import { ChatTemplate, type ChatMessage, type ChatTemplateOptions } from './chat-template.ts'
import { ControlText, unusedMark, type PromptSection } from './control-text.ts'
import { canSlice } from './can-slice.ts'
import { withUnicodeSpaces } from './pre-tokenizers.ts'
import type { TokenizerSource } from './source.ts'
import { sliceText } from './text-slices.ts'
import { TextStream } from './text-stream.ts'
import { TimeSlicer, type SlicedJob } from './time-slicer.ts'
import { plainBytes, tokenBytes } from './token-bytes.ts'

/** How text is encoded. */
export interface EncodeOptions {
  /** Whether the model's first token is put before the text. Defaults to what the model's file says. */
  readonly addBos?: boolean
  /**
   * Whether text that spells a control token becomes it. Defaults to `false`: users' text cannot
   * forge the end of a turn.
   */
  readonly controlTokens?: boolean
}

/** How tokens are decoded. */
export interface DecodeOptions {
  /** Whether control tokens are shown as text. Defaults to `false`. */
  readonly controlTokens?: boolean
}

/** The tokenizer of a model. */
export class ModelTokenizer {
  readonly #source: TokenizerSource
  readonly #tokenizer: Tokenizer
  readonly #control: ControlText
  readonly #tokens: readonly (string | undefined)[]
  /** Added tokens by id: `special` ones have no text, all are spelled as plain text. */
  readonly #added: ReadonlyMap<number, { content: string; special: boolean }>
  readonly #endTokens: ReadonlySet<number>
  readonly #slices: boolean
  readonly #slicer = new TimeSlicer()
  #template: ChatTemplate | undefined

  constructor(source: TokenizerSource) {
    this.#source = source
    const { definition } = source
    const special = definition.added_tokens.filter((token) => token.special)
    try {
      this.#tokenizer = new Tokenizer(
        {
          ...definition,
          pre_tokenizer: withUnicodeSpaces(definition.pre_tokenizer),
          post_processor: null,
          // Without control tokens: text goes through here only after being cut at those it may have.
          added_tokens: definition.added_tokens.filter((token) => !token.special),
        },
        { clean_up_tokenization_spaces: false },
      )
    } catch (cause) {
      const found = (cause as Error).message
      throw engineErrors.tokenizerUnsupported(source.path, [
        { code: 'tokenizer', message: found, expected: 'a known definition', found },
      ])
    }
    this.#control = new ControlText(special)
    this.#added = new Map(definition.added_tokens.map((token) => [token.id, token]))
    const tokens: (string | undefined)[] = []
    for (const [token, id] of Object.entries(definition.model.vocab)) tokens[id] = token
    for (const { id, content } of definition.added_tokens) tokens[id] = content
    this.#tokens = tokens
    this.#endTokens = new Set(source.endTokens)
    this.#slices = canSlice(source)
  }

  /** Ids are below it. */
  get vocabularySize(): number {
    return this.#tokens.length
  }

  /** The token that starts a sequence, if the model has one. */
  get bosToken(): number | undefined {
    return this.#source.bosToken
  }

  /** Tokens after which the model has nothing more to say. */
  get endTokens(): ReadonlySet<number> {
    return this.#endTokens
  }

  /** The chat template's source, if the model has one. */
  get chatTemplate(): string | undefined {
    return this.#source.chatTemplate
  }

  /** Tokens of `text`, at once. Text beyond some kilobytes belongs into {@link encodeAsync}. */
  encode(text: string, options: EncodeOptions = {}): Uint32Array {
    return runToEnd(this.#encodeText(text, options))
  }

  /** Tokens of `text`, computed in slices that leave the event loop free. */
  encodeAsync(
    text: string,
    options: EncodeOptions & { readonly signal?: AbortSignal } = {},
  ): Promise<Uint32Array> {
    return this.#slicer.run(this.#encodeText(text, options), options.signal)
  }

  /**
   * Tokens of a conversation. What the template writes may be control tokens, what messages say may
   * not.
   * @throws `ERR_VATTENTION_CHAT_TEMPLATE` when the model has no template or it refuses the messages.
   */
  encodeChat(messages: readonly ChatMessage[], options?: ChatTemplateOptions): Uint32Array {
    return runToEnd(this.#encodeChat(messages, options))
  }

  /** As {@link encodeChat}, computed in slices that leave the event loop free. */
  encodeChatAsync(
    messages: readonly ChatMessage[],
    options: ChatTemplateOptions & { readonly signal?: AbortSignal } = {},
  ): Promise<Uint32Array> {
    return this.#slicer.run(this.#encodeChat(messages, options), options.signal)
  }

  /** The text that the chat template makes of a conversation. */
  renderChat(messages: readonly ChatMessage[], options?: ChatTemplateOptions): string {
    const { chatTemplate, bosToken, eosToken, path } = this.#source
    if (chatTemplate === undefined) {
      throw engineErrors.chatTemplate(`${path} has no chat template: give the prompt as text.`)
    }
    this.#template ??= new ChatTemplate(chatTemplate)
    const text = (token: number | undefined) =>
      token === undefined ? '' : (this.#tokens[token] ?? '')
    return this.#template.render(messages, { bos: text(bosToken), eos: text(eosToken) }, options)
  }

  /** Text of `tokens`, which are a whole text: the space that `encode` put before it is taken off. */
  decode(tokens: Iterable<number>, options?: DecodeOptions): string {
    const stream = this.textStream(options)
    let text = ''
    for (const token of tokens) text += stream.push(token)
    text += stream.end()
    return this.#source.spacePrefix && text.startsWith(' ') ? text.slice(1) : text
  }

  /** Decodes tokens one by one. */
  textStream({ controlTokens = false }: DecodeOptions = {}): TextStream {
    return new TextStream((token) => this.tokenBytes(token, controlTokens))
  }

  /** The bytes that `token` adds to a text. */
  tokenBytes(token: number, controlTokens = false): Uint8Array {
    const added = this.#added.get(token)
    if (added) {
      return added.special && !controlTokens ? new Uint8Array() : plainBytes(added.content)
    }
    const spelled = this.#tokens[token]
    return spelled === undefined ? new Uint8Array() : tokenBytes(spelled, this.#source.spelling)
  }

  /** The token as the vocabulary spells it. */
  tokenText(token: number): string | undefined {
    return this.#tokens[token]
  }

  *#encodeText(text: string, options: EncodeOptions): SlicedJob<Uint32Array> {
    const sections = options.controlTokens ? this.#control.split(text) : text ? [text] : []
    const ids = yield* this.#encodeSections(sections)
    return this.#withBos(ids, options.addBos ?? this.#source.addBos)
  }

  *#encodeChat(
    messages: readonly ChatMessage[],
    options: ChatTemplateOptions = {},
  ): SlicedJob<Uint32Array> {
    const { variables = {} } = options
    const mark = unusedMark([messages, variables])
    const protectedOptions = { ...options, variables: this.#control.protect(variables, mark) }
    const text = this.renderChat(this.#control.protect(messages, mark), protectedOptions)
    const ids = yield* this.#encodeSections(this.#control.split(text, mark))
    return this.#withBos(ids, this.#source.addBos && ids[0] !== this.#source.bosToken)
  }

  #withBos(ids: readonly number[], add: boolean): Uint32Array {
    const { bosToken } = this.#source
    return Uint32Array.from(add && bosToken !== undefined ? [bosToken, ...ids] : ids)
  }

  *#encodeSections(sections: readonly PromptSection[]): SlicedJob<number[]> {
    const ids: number[] = []
    for (const [index, section] of sections.entries()) {
      if (typeof section === 'number') {
        ids.push(section)
        continue
      }
      const text = this.#prefixed(section, index)
      for (const slice of this.#slices ? sliceText(text) : [text]) {
        for (const id of this.#tokenizer.encode(slice, { add_special_tokens: false }).ids) {
          ids.push(id)
        }
        yield
      }
    }
    return ids
  }

  /** sentencepiece starts a text, and often what follows a control token, with a space. */
  #prefixed(section: string, index: number): string {
    const { spacePrefix } = this.#source
    if (!spacePrefix || (spacePrefix.sections === 'first' && index > 0)) return section
    return spacePrefix.unlessSpace && section.startsWith(' ') ? section : ` ${section}`
  }
}

function runToEnd<Result>(job: SlicedJob<Result>): Result {
  for (;;) {
    const step = job.next()
    if (step.done) return step.value
  }
}
