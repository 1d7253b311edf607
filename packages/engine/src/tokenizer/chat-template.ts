/** A model's chat template: Jinja, from its file. */
import { Template } from '@huggingface/jinja'

import { engineErrors } from '../errors.ts'

/** One message of a conversation. */
export interface ChatMessage {
  /** `system`, `user`, `assistant`, or what else the template knows. */
  readonly role: string
  readonly content: string
  /** What else the template reads, `tool_calls` for example. */
  readonly [name: string]: unknown
}

/** How a conversation is rendered. */
export interface ChatTemplateOptions {
  /** Whether the text ends where the assistant's answer begins. Defaults to `true`. */
  readonly addGenerationPrompt?: boolean
  /** Variables of the template besides `messages`: `tools`, `enable_thinking`, ... */
  readonly variables?: Readonly<Record<string, unknown>>
}

/** A parsed template. */
export class ChatTemplate {
  readonly #template: Template

  /** @throws `ERR_VATTENTION_CHAT_TEMPLATE` when the source is no Jinja that we understand. */
  constructor(source: string) {
    try {
      this.#template = new Template(source)
    } catch (cause) {
      throw engineErrors.chatTemplate(
        `The model's chat template cannot be parsed: ${(cause as Error).message}`,
        { cause },
      )
    }
  }

  /** @throws `ERR_VATTENTION_CHAT_TEMPLATE` when the template refuses the messages. */
  render(
    messages: readonly ChatMessage[],
    tokens: { readonly bos: string; readonly eos: string },
    { addGenerationPrompt = true, variables }: ChatTemplateOptions = {},
  ): string {
    try {
      return this.#template.render({
        bos_token: tokens.bos,
        eos_token: tokens.eos,
        ...variables,
        messages,
        add_generation_prompt: addGenerationPrompt,
      })
    } catch (cause) {
      throw engineErrors.chatTemplate(
        `The model's chat template refused the messages: ${(cause as Error).message}`,
        { cause },
      )
    }
  }
}
