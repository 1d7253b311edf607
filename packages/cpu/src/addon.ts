/**
 * The native addon of this package, described once: C++ is reached only through these types.
 * Everything that arrives there has been validated by the TypeScript above it.
 */
import { errors } from '@vattention/interface'

import { loadAddon } from '../../../native/node/load-addon.ts'

/** `vattn_config` and `vattn_limits`, enumerations as the numbers of the C ABI, 0 for defaults. */
export interface NativeConfig {
  /** `vattn_cache_kind` */
  readonly cacheKind: number
  readonly layers: number
  readonly kvHeads: number
  readonly headDim: number
  readonly valueHeadDim: number
  /** `vattn_dtype` */
  readonly cacheDtype: number
  readonly cacheSequences: number
  readonly cacheLength: number
  /** `vattn_pool_layout` */
  readonly poolLayout: number
  readonly blockTokens: number
  readonly queryHeads: number
  /** `vattn_dtype` */
  readonly dtype: number
  readonly scale: number
  readonly causal: boolean
  readonly window: number
  readonly softCap: number
  readonly alibiSlopes: Float32Array | undefined
  readonly sinks: Float32Array | undefined
  readonly needsLse: boolean
  readonly maxSequences: number
  readonly maxTokens: number
  readonly maxLength: number
  readonly threads: number
}

/** The view of a cache without a C table. */
export interface NativeView {
  readonly kind: number
  readonly layers: number
  readonly kvHeads: number
  readonly headDim: number
  readonly valueHeadDim: number
  readonly dtype: number
  readonly maxSequences: number
  readonly maxLength: number
  readonly poolLayout: number
  readonly blockTokens: number
  /** Tensor records: key and value of each layer. */
  readonly records: Float64Array
}

/**
 * A `vattn_plan`. `run`, `runAsync` and `append` read the numbers given to the constructor: tensor
 * records of query, key, value, output and lse, then the layer. While a `runAsync` is at work all
 * calls but `workspaceBytes` and `destroy` throw busy.
 */
export interface NativePlan {
  /** Of a cache with a C table, by its external. Keeps the cache's memory from then on. */
  prepare(
    cache: object,
    sequences: Uint32Array,
    queryLengths: Uint32Array,
    kvLengths: Uint32Array,
    stream: bigint,
  ): void
  /** Of any other cache; the tables' rows are `rowStride` apart. */
  prepareRows(
    view: NativeView,
    queryLengths: Uint32Array,
    kvLengths: Uint32Array,
    backedLengths: Uint32Array,
    slots: Int32Array | undefined,
    tables: Int32Array | undefined,
    rowStride: number,
  ): void
  run(): void
  runAsync(): Promise<void>
  append(): void
  workspaceBytes(): number
  /** Idempotent. While a `runAsync` is at work, the plan goes when that has ended. */
  destroy(): void
}

/** The whole addon. */
export interface CpuAddon {
  /** The tagged external of the C table. */
  readonly backend: object
  /** The instruction set in use: `AVX3`, `AVX2`, `SSE2`, `NEON`. */
  readonly target: string
  readonly Plan: new (config: NativeConfig, numbers: Float64Array) => NativePlan
  /** Tensor records: output and lse of each partial, then output and lse (or none). */
  merge(records: Float64Array, count: number): void
}

let loaded: CpuAddon | undefined

/**
 * The addon, loaded by the first call: importing this package does nothing.
 * @throws `ERR_VATTENTION_NATIVE_LOAD` with every place that was tried.
 */
export function addon(): CpuAddon {
  loaded ??= loadAddon<CpuAddon>({
    name: '@vattention/cpu',
    from: import.meta.url,
    createError: errors.nativeLoad,
  })
  return loaded
}
