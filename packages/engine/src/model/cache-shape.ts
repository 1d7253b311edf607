/** The shape of a cache for a model. */
import type { DType, KvCacheShape } from '@vattention/interface'

import type { ModelDescription } from './description.ts'

/** What a model does not say about its cache. */
export interface KvCacheShapeOptions {
  /** Most sequences at once: address space or table rows, not memory. Defaults to `64`. */
  readonly maxSequences?: number
  /** Most tokens of a sequence. Defaults to the model's context length. */
  readonly maxLength?: number
  /**
   * Type of keys and values. Defaults to `'float16'`: as small as bfloat16, with three more bits of
   * precision, and keys and values stay far from its range.
   */
  readonly dtype?: DType
}

/**
 * The shape that a cache for `model` needs.
 * @example
 * ```ts
 * const cache = new ContiguousKvCache({ ...kvCacheShape(model.description), limitBytes: 2 ** 30 })
 * ```
 */
export function kvCacheShape(
  { config, contextLength }: Pick<ModelDescription, 'config' | 'contextLength'>,
  { maxSequences = 64, maxLength = contextLength, dtype = 'float16' }: KvCacheShapeOptions = {},
): KvCacheShape {
  return {
    layers: config.layers,
    kvHeads: config.kvHeads,
    headDim: config.headDim,
    valueHeadDim: config.headDim,
    dtype,
    maxSequences,
    maxLength,
  }
}
