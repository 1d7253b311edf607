/**
 * The addon of an attention backend, described once for all of them: C++ (backend_addon.h) is
 * reached only through these types. Everything that arrives there has been validated by the
 * TypeScript above it.
 */

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
  /** Tensor records of the scales of query, key and value. */
  readonly scales: Float64Array | undefined
  readonly needsLse: boolean
  readonly batchInvariant: boolean
  readonly maxSequences: number
  readonly maxTokens: number
  readonly maxLength: number
  readonly graphSequences: number
  readonly graphMaxLength: number
  /** CPU */
  readonly threads: number
  /** CUDA */
  readonly deviceIndex: number
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
  readonly blocks: number
  readonly maxBlocks: number
  readonly tailRows: number
  readonly finiteTail: boolean
  /** Tensor records: key and value of each layer. */
  readonly records: Float64Array
}

/**
 * A `vattn_plan`. `run`, `runAsync` and `append` read the numbers given to the constructor: tensor
 * records of query, key, value, output and lse, then the layer. While a `runAsync` is at work all
 * calls but `workspaceBytes` and `destroy` throw busy.
 */
export interface NativePlan {
  /**
   * Of a cache with a C table, by its external. Keeps the cache's memory from then on, and tells it
   * of the stream.
   */
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
    stream: bigint,
  ): void
  run(): void
  /** On a thread of the plan. Only of backends that compute on the CPU: elsewhere `run` enqueues. */
  runAsync?(): Promise<void>
  append(): void
  workspaceBytes(): number
  /** Idempotent. While a `runAsync` is at work, the plan goes when that has ended. */
  destroy(): void
}

/** What every addon of a backend exports. */
export interface BackendAddon {
  /** The tagged external of the C table. */
  readonly backend: object
  readonly Plan: new (config: NativeConfig, numbers: Float64Array) => NativePlan
  /** Tensor records: output and lse of each partial, then output and lse (or none). */
  merge(records: Float64Array, count: number, deviceIndex: number, stream: bigint): void
}
