/** Options of an engine, their defaults and limits. */
import {
  boolean,
  callback,
  errors,
  optionReasons,
  positiveInteger,
  type AttentionBackend,
  type KvCache,
  type OptionRule,
} from '@vattention/interface'

import type { LoadedModel } from '../model/loaded-model.ts'
import type { ModelTokenizer } from '../tokenizer/model-tokenizer.ts'
import type { EngineEvent } from './event.ts'
import type { ForwardRunner } from './runner.ts'

/** How an engine batches. */
export interface EngineLimits {
  /** Most requests that run at once. Defaults to the cache's `maxSequences`, at most 256. */
  readonly maxSequences?: number
  /**
   * Most tokens of one pass: prompts longer than what decoding leaves of it are computed in chunks.
   * More makes prompts faster and answers less even. Defaults to `512`.
   */
  readonly maxBatchTokens?: number
  /** Most tokens of prompt and answer. Defaults to the lesser of the cache's and the model's. */
  readonly maxLength?: number
  /** Most requests beyond the `maxSequences` that may run; `generate` throws beyond. Defaults to no limit. */
  readonly maxWaiting?: number
  /** Whether prompts share the beginnings that are in the cache. Defaults to `true`. */
  readonly prefixCaching?: boolean
  /** Called with each event. */
  readonly onEvent?: (event: EngineEvent) => void
}

/** Options of `Engine.create`. */
export interface EngineOptions extends EngineLimits {
  readonly model: LoadedModel
  /** A cache of the model's shape: `kvCacheShape`. */
  readonly cache: KvCache
  readonly backend: AttentionBackend
  /** Threads of the model runner. Defaults to the cores this process may use. */
  readonly threads?: number
}

/** What an engine over a runner of one's own is made of. */
export interface EngineParts extends EngineLimits {
  readonly runner: ForwardRunner
  readonly cache: KvCache
  /** For messages. */
  readonly name: string
  /** Tokens that the model was trained for. */
  readonly contextLength: number
  readonly vocabularySize: number
  /** Sliding window of every layer, in tokens. Defaults to none. */
  readonly window?: number
  /** Without one, requests come as tokens and answers have no text. */
  readonly tokenizer?: ModelTokenizer
  /** Tokens that end an answer. Defaults to the tokenizer's. */
  readonly endTokens?: Iterable<number>
}

/** Limits with their defaults. */
export interface ResolvedLimits {
  readonly maxSequences: number
  readonly maxBatchTokens: number
  readonly maxLength: number
  readonly maxWaiting: number
  readonly prefixCaching: boolean
}

const limitRules = {
  maxSequences: positiveInteger,
  maxBatchTokens: positiveInteger,
  maxLength: positiveInteger,
  maxWaiting: positiveInteger,
  prefixCaching: boolean,
  onEvent: callback,
} as const satisfies Readonly<Record<keyof EngineLimits, OptionRule>>

const object: OptionRule = {
  expected: 'an object',
  check: (value) => typeof value === 'object' && value !== null,
  required: true,
}

const engineRules: Readonly<Record<keyof EngineOptions, OptionRule>> = {
  ...limitRules,
  model: object,
  cache: object,
  backend: object,
  threads: positiveInteger,
}

// Enough for one pass to keep oneDNN at its full speed, little enough that nobody who decodes waits
// longer than some tenths of a second on two cores.
const defaultBatchTokens = 512

/** @throws `ERR_VATTENTION_INVALID_OPTIONS` with everything that is wrong. */
export function checkEngineOptions(options: EngineOptions): void {
  const reasons = optionReasons(options, engineRules)
  if (reasons.length > 0) throw errors.invalidOptions('An engine', reasons)
}

/**
 * The limits in force.
 * @throws `ERR_VATTENTION_INVALID_OPTIONS` when they do not fit the cache or each other.
 */
export function resolveLimits(
  options: EngineLimits,
  { shape }: Pick<KvCache, 'shape'>,
  contextLength: number,
): ResolvedLimits {
  const maxSequences = options.maxSequences ?? Math.min(shape.maxSequences, 256)
  const maxBatchTokens = options.maxBatchTokens ?? Math.max(defaultBatchTokens, maxSequences)
  const maxLength = options.maxLength ?? Math.min(shape.maxLength, contextLength)
  const reasons = optionReasons(
    { maxSequences, maxBatchTokens, maxLength },
    {
      maxSequences: {
        expected: `at most the cache's maxSequences, ${shape.maxSequences},`,
        check: (value) => (value as number) <= shape.maxSequences,
      },
      maxBatchTokens: {
        expected: `at least maxSequences, ${maxSequences},`,
        check: (value) => (value as number) >= maxSequences,
      },
      maxLength: {
        expected: `at most the cache's maxLength, ${shape.maxLength},`,
        check: (value) => (value as number) <= shape.maxLength,
      },
    },
  )
  if (reasons.length > 0) throw errors.invalidOptions('An engine', reasons)
  return {
    maxSequences,
    maxBatchTokens,
    maxLength,
    maxWaiting: options.maxWaiting ?? Infinity,
    prefixCaching: options.prefixCaching ?? true,
  }
}
