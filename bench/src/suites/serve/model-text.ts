import type { GenerateOptions, ModelTokenizer } from '@vattention/engine'

/** What a model is asked, as the engine takes it. */
export type AskedText = Pick<GenerateOptions, 'messages' | 'prompt'>

/** A question as the model reads it. */
export interface AskedPrompt {
  /** Control tokens are written out. */
  readonly text: string
  readonly tokens: Uint32Array
}

/** How a model reads and writes text. */
export interface ModelText {
  /** A question for the engine: a message where the model has a chat template, else as it is. */
  asked(question: string, system?: string): AskedText
  /** The same as the prompt that comes of it. */
  prompt(question: string): AskedPrompt
  /** Text of a token, of a control token too. */
  show(token: number): string
}

/** The text of a model with a tokenizer. */
export function modelText(
  tokenizer: Pick<
    ModelTokenizer,
    'chatTemplate' | 'renderChat' | 'encodeChat' | 'encode' | 'decode'
  >,
): ModelText {
  const isChat = tokenizer.chatTemplate !== undefined
  return {
    asked(question, system) {
      const said = system === undefined ? [] : [{ role: 'system', content: system }]
      if (isChat) return { messages: [...said, { role: 'user', content: question }] }
      return { prompt: [system, question].filter((one) => one !== undefined).join(' ') }
    },
    prompt(question) {
      const messages = [{ role: 'user', content: question }]
      return isChat
        ? { text: tokenizer.renderChat(messages), tokens: tokenizer.encodeChat(messages) }
        : { text: question, tokens: tokenizer.encode(question) }
    },
    show: (token) => tokenizer.decode([token], { controlTokens: true }),
  }
}
