/** How a request's tokens are drawn: what callers say, and what the runner reads. */
import { type OptionRule, type Reason } from '@vattention/interface'

import type { RowSampling } from '../native.ts'

/** How tokens are drawn. */
export interface SamplingOptions {
  /** Divides the logits; `0` takes the most likely token. Defaults to `0`. */
  readonly temperature?: number
  /** Only this many most likely tokens are drawn from; `0`: all. Defaults to `0`. */
  readonly topK?: number
  /** Only the most likely tokens that together have this probability. Defaults to `1`: all. */
  readonly topP?: number
  /** Only tokens at least this likely, relative to the most likely one. Defaults to `0`: all. */
  readonly minP?: number
  /** Above 1, tokens of prompt and answer become less likely. Defaults to `1`: none. */
  readonly repetitionPenalty?: number
  /** Subtracted once from the logits of tokens in the answer. Defaults to `0`. */
  readonly presencePenalty?: number
  /** Subtracted from the logits of tokens in the answer for each time they occur. Defaults to `0`. */
  readonly frequencyPenalty?: number
  /**
   * The same seed gives the same answer, whatever else runs. Defaults to a random one, which the
   * result reports.
   */
  readonly seed?: number
  /** Report log-probabilities: of the chosen token, and of this many most likely ones (0 to 20). */
  readonly logprobs?: number
  /** Added to the logits of these tokens, by token id. `-Infinity` forbids one. */
  readonly logitBias?: Readonly<Record<number, number>> | ReadonlyMap<number, number>
}

const between = (low: number, high: number): OptionRule => ({
  expected: `a number from ${low} to ${high}`,
  check: (value) => typeof value === 'number' && value >= low && value <= high,
})

const integerBetween = (low: number, high: number): OptionRule => ({
  expected: `an integer from ${low} to ${high}`,
  check: (value) => Number.isInteger(value) && between(low, high).check(value),
})

/** Rules of the options. */
export const samplingRules: Readonly<Record<keyof SamplingOptions, OptionRule>> = {
  temperature: between(0, 100),
  topK: integerBetween(0, 2 ** 31 - 1),
  topP: {
    expected: 'a number above 0 and up to 1',
    check: (value) => typeof value === 'number' && value > 0 && value <= 1,
  },
  minP: between(0, 1),
  repetitionPenalty: {
    expected: 'a number above 0 and up to 10',
    check: (value) => typeof value === 'number' && value > 0 && value <= 10,
  },
  presencePenalty: between(-10, 10),
  frequencyPenalty: between(-10, 10),
  seed: integerBetween(0, 2 ** 32 - 1),
  logprobs: integerBetween(0, 20),
  logitBias: {
    expected: 'an object or Map from token ids to numbers',
    check: (value) =>
      typeof value === 'object' &&
      value !== null &&
      biasEntries(value as NonNullable<SamplingOptions['logitBias']>).every(
        ([, bias]) => typeof bias === 'number' && !Number.isNaN(bias),
      ),
  },
}

/** Token ids in `logitBias` that the vocabulary does not have. */
export function biasReasons(options: SamplingOptions, vocabularySize: number): Reason[] {
  return biasEntries(options.logitBias ?? {})
    .filter(([token]) => !(Number.isInteger(token) && token >= 0 && token < vocabularySize))
    .map(([token]) => ({
      code: 'logitBias',
      message: `logitBias: token ids below ${vocabularySize} required, found ${token}`,
      expected: `token ids below ${vocabularySize}`,
      found: String(token),
    }))
}

function biasEntries(
  bias: NonNullable<SamplingOptions['logitBias']>,
): (readonly [number, number])[] {
  if (bias instanceof Map) return [...(bias as ReadonlyMap<number, number>)]
  return Object.entries(bias).map(([token, value]) => [Number(token), value as number])
}

/** A request's sampling, from token to token. */
export class Sampler {
  readonly seed: number
  /** Whether the caller wants log-probabilities. */
  readonly wantsLogprobs: boolean
  readonly #fixed: Omit<RowSampling, 'step' | 'history' | 'historyPrompt'>
  readonly #hasPenalties: boolean

  constructor(options: SamplingOptions) {
    this.seed = options.seed ?? Math.floor(Math.random() * 2 ** 32)
    this.wantsLogprobs = options.logprobs !== undefined
    const biases = biasEntries(options.logitBias ?? {})
    this.#fixed = {
      temperature: options.temperature ?? 0,
      topK: options.topK ?? 0,
      topP: options.topP ?? 1,
      minP: options.minP ?? 0,
      repetitionPenalty: options.repetitionPenalty ?? 1,
      presencePenalty: options.presencePenalty ?? 0,
      frequencyPenalty: options.frequencyPenalty ?? 0,
      seed: this.seed,
      topLogprobs: options.logprobs ?? 0,
      biasTokens: Uint32Array.from(biases, ([token]) => token),
      biases: Float32Array.from(biases, ([, bias]) => bias),
    }
    const { repetitionPenalty, presencePenalty, frequencyPenalty } = this.#fixed
    this.#hasPenalties = repetitionPenalty !== 1 || presencePenalty !== 0 || frequencyPenalty !== 0
  }

  /** How the token after `tokens` is drawn; the first `promptLength` of them are the prompt. */
  row(tokens: Uint32Array, promptLength: number): RowSampling {
    return {
      ...this.#fixed,
      step: tokens.length - promptLength,
      history: this.#hasPenalties ? tokens : noTokens,
      historyPrompt: promptLength,
    }
  }
}

const noTokens = new Uint32Array()
