import type { DType } from './dtype.ts'
import type { KvCache, KvCacheShape, Layout, PoolLayout } from './kv-cache.ts'
import type { Tensor } from './tensor.ts'

/** A cache described without being made: for `validate` and selection. */
export interface CacheDescription {
  readonly kind: 'contiguous' | 'paged'
  readonly shape: KvCacheShape
  /** Contiguous. */
  readonly layout?: Layout
  /** Paged. Defaults to `16`. */
  readonly blockTokens?: number
  /** Paged. Defaults to `'nhd'`. */
  readonly poolLayout?: PoolLayout
}

/** What attention is to be computed: everything that no pass changes. */
export interface AttentionConfig {
  readonly cache: KvCache | CacheDescription
  /** A multiple of the cache's `kvHeads`. */
  readonly queryHeads: number
  /** Of query, key, value and output. */
  readonly dtype: DType
  /** Multiplies q·k. Defaults to `1 / sqrt(headDim)`. */
  readonly scale?: number
  /** Bottom-right aligned when query and KV length differ. Defaults to `true`. */
  readonly causal?: boolean
  /** Tokens visible to each, itself included; required on a slid sequence. Defaults to all. */
  readonly window?: number
  /** `softCap * tanh(score / softCap)`, after scale and before the mask. Defaults to none. */
  readonly softCap?: number
  /** One slope per query head; adds `slope * (j - i)` to the score of key j for query i. */
  readonly alibiSlopes?: Float32Array
  /** One unscaled logit per query head that joins the softmax and has no value. */
  readonly sinks?: Float32Array
  /**
   * Scales of an FP8 cache, float32 `[sequence or 1, kvHead]`: what a stored number is multiplied with.
   * `query`: what queries are divided by where a backend computes in float8 and rounds them to it
   * (FlashAttention-3); others keep them as they are. Defaults to 1.
   */
  readonly fp8Scales?: { readonly key: Tensor; readonly value: Tensor; readonly query?: Tensor }
  /** Whether `run` will be given an `lse`. Defaults to `false`. */
  readonly needsLse?: boolean
  /** Fixed KV split: a row's result does not depend on its batch mates. Defaults to `false`. */
  readonly batchInvariant?: boolean
}

/** The largest batch a plan will be asked for. */
export interface PlanLimits {
  readonly maxSequences: number
  /** Rows of query in one pass, over all sequences. */
  readonly maxTokens: number
  /** Longest KV length of a sequence. */
  readonly maxLength: number
  /**
   * A plan to be captured: batch and longest length are fixed for grid and splits, and `prepare`
   * outside the limits throws. Every sequence has one new token, and the tensors of `run` have
   * `sequences` rows: shorter batches are padded with rows of length 0, whose output is zeros.
   * `prepare` comes before the capture, and before each replay with a new batch.
   */
  readonly graph?: { readonly sequences: number; readonly maxLength: number }
}
