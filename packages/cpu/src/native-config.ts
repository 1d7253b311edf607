import {
  describeCache,
  dtypeCode,
  type AttentionConfig,
  type CacheDescription,
  type PlanLimits,
} from '@vattention/interface'

import type { NativeConfig } from './addon.ts'

/** `vattn_cache_kind` */
export const cacheKindCode = { contiguous: 0, paged: 1 } as const
/** `vattn_pool_layout` */
export const poolLayoutCode = { nhd: 0, 'paged-attention': 1 } as const

/** A validated configuration as the addon takes it. */
export function toNativeConfig(
  config: AttentionConfig,
  limits: PlanLimits,
  threads: number,
): NativeConfig {
  const cache: CacheDescription = describeCache(config.cache)
  const { shape } = cache
  return {
    cacheKind: cacheKindCode[cache.kind],
    layers: shape.layers,
    kvHeads: shape.kvHeads,
    headDim: shape.headDim,
    valueHeadDim: shape.valueHeadDim,
    cacheDtype: dtypeCode[shape.dtype],
    cacheSequences: shape.maxSequences,
    cacheLength: shape.maxLength,
    poolLayout: poolLayoutCode[cache.poolLayout ?? 'nhd'],
    blockTokens: cache.kind === 'paged' ? (cache.blockTokens ?? 16) : 0,
    queryHeads: config.queryHeads,
    dtype: dtypeCode[config.dtype],
    scale: config.scale ?? 0,
    causal: config.causal ?? true,
    // A window beyond the longest sequence hides nothing.
    window: config.window !== undefined && config.window < shape.maxLength ? config.window : 0,
    softCap: config.softCap ?? 0,
    alibiSlopes: config.alibiSlopes,
    sinks: config.sinks,
    needsLse: config.needsLse ?? false,
    maxSequences: limits.maxSequences,
    maxTokens: limits.maxTokens,
    maxLength: Math.min(limits.maxLength, shape.maxLength),
    threads,
  }
}
