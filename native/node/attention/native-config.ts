import {
  describeCache,
  deviceIndex,
  dtypeCode,
  type AttentionConfig,
  type CacheDescription,
  type Device,
  type PlanLimits,
} from '@vattention/interface'

import { tensorRecordLength, writeTensorRecord } from '../tensor-record.ts'
import type { NativeConfig } from './backend-addon.ts'

/** `vattn_cache_kind` */
export const cacheKindCode = { contiguous: 0, paged: 1 } as const
/** `vattn_pool_layout` */
export const poolLayoutCode = { nhd: 0, 'paged-attention': 1 } as const

/** What a backend adds to a configuration. */
export interface NativeOptions {
  readonly device: Device
  /** CPU; 0: one per core. */
  readonly threads: number
  /** Whether rows are invariant, asked for or not. */
  readonly batchInvariant: boolean
}

/** A validated configuration as the addon takes it. */
export function toNativeConfig(
  config: AttentionConfig,
  limits: PlanLimits,
  { device, threads, batchInvariant }: NativeOptions,
): NativeConfig {
  const cache: CacheDescription = describeCache(config.cache)
  const { shape } = cache
  const maxLength = Math.min(limits.maxLength, shape.maxLength)
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
    scales: scaleRecords(config),
    needsLse: config.needsLse ?? false,
    batchInvariant: batchInvariant || (config.batchInvariant ?? false),
    maxSequences: limits.maxSequences,
    maxTokens: limits.maxTokens,
    maxLength,
    graphSequences: limits.graph?.sequences ?? 0,
    graphMaxLength: Math.min(limits.graph?.maxLength ?? 0, maxLength),
    threads,
    deviceIndex: deviceIndex(device),
  }
}

/** Records of the scales of query, key and value; `undefined` without any. */
function scaleRecords({ fp8Scales }: AttentionConfig): Float64Array | undefined {
  if (!fp8Scales) return undefined
  const records = new Float64Array(3 * tensorRecordLength)
  writeTensorRecord(records, 0, fp8Scales.query)
  writeTensorRecord(records, 1, fp8Scales.key)
  writeTensorRecord(records, 2, fp8Scales.value)
  return records
}
