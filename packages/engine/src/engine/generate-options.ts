/** What a request may say, and the check of it. */
import {
  boolean,
  errors,
  optionReasons,
  positiveInteger,
  type OptionRule,
  type Reason,
} from '@vattention/interface'

import type { ChatMessage, ChatTemplateOptions } from '../tokenizer/chat-template.ts'
import { biasReasons, samplingRules, type SamplingOptions } from './sampling-options.ts'

/** Options of `generate`. Exactly one of `prompt`, `messages` and `tokens` is given. */
export interface GenerateOptions extends SamplingOptions {
  /** Text to continue. It cannot spell control tokens. */
  readonly prompt?: string
  /** A conversation to answer, put through the model's chat template. */
  readonly messages?: readonly ChatMessage[]
  /** How the conversation is rendered. */
  readonly chat?: ChatTemplateOptions
  /** Tokens to continue, as they are. */
  readonly tokens?: Uint32Array | readonly number[]
  /** Most tokens of the answer. Defaults to what the longest sequence leaves after the prompt. */
  readonly maxTokens?: number
  /** Go on after the model's end tokens. Defaults to `false`. */
  readonly ignoreEos?: boolean
  /** Texts that end the answer; they are not part of it. */
  readonly stop?: string | readonly string[]
  /** Tokens that end the answer, besides the model's own. */
  readonly stopTokens?: readonly number[]
  /** Higher ones go first, and are set back last. Requests of one priority go in turn. Defaults to `0`. */
  readonly priority?: number
  /** Keeps tenants apart: prompts share cached prefixes only within one salt. Defaults to `''`. */
  readonly salt?: string
  /** Ends the request wherever it is; it then rejects with the signal's reason. */
  readonly signal?: AbortSignal
  /** A name for events and results. Defaults to a number of the engine's own. */
  readonly id?: string
}

const isToken = (value: unknown) => Number.isInteger(value) && (value as number) >= 0

const string: OptionRule = {
  expected: 'a string',
  check: (value) => typeof value === 'string',
}

const rules: Readonly<Record<keyof GenerateOptions, OptionRule>> = {
  ...samplingRules,
  prompt: string,
  messages: {
    expected: 'an array of { role, content }, not empty',
    check: (value) =>
      Array.isArray(value) &&
      value.length > 0 &&
      value.every((message) => typeof (message as ChatMessage | null)?.role === 'string'),
  },
  chat: { expected: 'an object', check: (value) => typeof value === 'object' && value !== null },
  tokens: {
    expected: 'token ids, at least one',
    check: (value) =>
      (value instanceof Uint32Array && value.length > 0) ||
      (Array.isArray(value) && value.length > 0 && value.every(isToken)),
  },
  maxTokens: positiveInteger,
  ignoreEos: boolean,
  stop: {
    expected: 'a string or an array of strings, none of them empty',
    check: (value) =>
      [value].flat().every((stop: unknown) => typeof stop === 'string' && stop.length > 0),
  },
  stopTokens: {
    expected: 'an array of token ids',
    check: (value) => Array.isArray(value) && value.every(isToken),
  },
  priority: { expected: 'a number', check: (value) => Number.isFinite(value) },
  salt: string,
  signal: { expected: 'an AbortSignal', check: (value) => value instanceof AbortSignal },
  id: string,
}

/** @throws `ERR_VATTENTION_INVALID_OPTIONS` with everything that is wrong. */
export function checkGenerateOptions(
  options: GenerateOptions,
  vocabularySize: number,
  hasTokenizer: boolean,
): void {
  const reasons = optionReasons(options, rules)
  const given = (['prompt', 'messages', 'tokens'] as const).filter(
    (name) => options[name] !== undefined,
  )
  const add = (code: string, expected: string, found: string) =>
    reasons.push({ code, message: `${expected} required, found ${found}`, expected, found })
  if (given.length !== 1) {
    add('prompt', 'exactly one of prompt, messages and tokens', given.join(', ') || 'none')
  }
  if (options.chat !== undefined && options.messages === undefined) {
    add('chat', 'messages with chat', 'none')
  }
  if (options.stop !== undefined && !hasTokenizer) {
    add('stop', 'a model with a tokenizer for stop strings', 'a model without')
  }
  if (reasons.length === 0) {
    reasons.push(
      ...biasReasons(options, vocabularySize),
      ...vocabularyReasons('tokens', options.tokens ?? [], vocabularySize),
      ...vocabularyReasons('stopTokens', options.stopTokens ?? [], vocabularySize),
    )
  }
  if (reasons.length > 0) throw errors.invalidOptions('A request', reasons)
}

function vocabularyReasons(
  code: string,
  tokens: Uint32Array | readonly number[],
  vocabularySize: number,
): Reason[] {
  for (const token of tokens) {
    if (token < vocabularySize) continue
    const expected = `token ids below ${vocabularySize}`
    const message = `${code}: ${expected} required, found ${token}`
    return [{ code, message, expected, found: String(token) }]
  }
  return []
}
