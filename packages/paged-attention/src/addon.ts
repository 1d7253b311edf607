/**
 * The native addon of this package, described once: C++ is reached only through these types.
 * Everything that arrives there has been validated by the TypeScript above it.
 */
import { errors } from '@vattention/interface'

import type { NativeFaults } from '../../../native/node/fault-plan.ts'
import { loadAddon } from '../../../native/node/load-addon.ts'

/** `vattn_paged_options`, defaults filled in, enumerations as the numbers of the C ABI. */
export interface NativePagedOptions {
  readonly layers: number
  readonly kvHeads: number
  readonly headDim: number
  readonly valueHeadDim: number
  /** `vattn_dtype` */
  readonly dtype: number
  readonly maxSequences: number
  readonly maxLength: number
  /** `vattn_device_type` */
  readonly deviceType: number
  readonly deviceIndex: number
  readonly limitBytes: number
  readonly blockTokens: number
  /** `vattn_pool_layout` */
  readonly poolLayout: number
  readonly prefixCache: boolean
  /** 0: all 64. */
  readonly hashBits: number
  readonly traceEvents: number
  /** Whether `takeEvents` will be called. */
  readonly notifyEvents: boolean
  /** Empty: the system's. */
  readonly cgroupRoot: string
  /** Absent: no faulty driver. */
  readonly faults?: NativeFaults
}

/** `vattn_paged_geometry` */
export interface NativePagedGeometry {
  readonly blocks: number
  readonly blockTokens: number
  readonly maxBlocks: number
  readonly bytesPerToken: number
  readonly blockBytes: number
  readonly poolBytes: number
  readonly reservedBytes: number
  readonly wasteBoundBytes: number
}

/** A strided tensor as the addon describes it. */
export interface NativeTensor {
  readonly data: bigint
  readonly shape: number[]
  readonly strides: number[]
}

/** What `view` gives. */
export interface NativePagedView {
  readonly blocks: number
  readonly finiteTail: boolean
  readonly layers: readonly { readonly key: NativeTensor; readonly value: NativeTensor }[]
}

/** An external that owns a `vattn_fence`. */
export type NativeFence = object & { readonly __fence: unique symbol }

/**
 * A `vattn_cache`. Handles and lengths are numbers. Calls throw plain errors with a status
 * (native/node/native-error.ts).
 */
export interface NativePagedCache {
  /** The tagged external for other addons. */
  ref(): object
  /** 0: no slot is left. Likewise the next two. */
  allocate(): number
  /** Writes the shared length into the first of the numbers given to the constructor. */
  allocatePrefix(tokens: Uint32Array, salt: string): number
  fork(source: number, length: number): number
  /** `vattn_step_outcome`; the rest is written into the numbers given to the constructor. */
  step(sequences: Uint32Array, lengths: Uint32Array): number
  /** The same off the JavaScript thread, with numbers of its own; the arrays are copied. */
  stepAsync(sequences: Uint32Array, lengths: Uint32Array): Promise<Float64Array>
  publish(sequence: number, tokens: Uint32Array, salt: string): void
  truncate(sequence: number, length: number, after: NativeFence | undefined): void
  slide(sequence: number, firstToken: number, after: NativeFence | undefined): void
  free(sequence: number, after: NativeFence | undefined): void
  attach(deviceType: number, deviceIndex: number, handle: bigint): void
  detach(deviceType: number, deviceIndex: number, handle: bigint): void
  waitReady(deviceType: number, deviceIndex: number, handle: bigint): void
  recordFence(deviceType: number, deviceIndex: number, handle: bigint): NativeFence
  view(): NativePagedView
  /** Returns the widest row. */
  blockTables(sequences: Uint32Array, out: Int32Array, rowStride: number): number
  backedLength(sequence: number): number
  firstKept(sequence: number): number
  /** `vattn_cache_stats` in its order, without `size`: see native/node/cache-stats.ts. */
  stats(out: Float64Array): void
  setLimit(bytes: number): void
  dropCached(): void
  /** Events as numbers: see native/node/cache-events.ts. */
  trace(): Float64Array
  /** Events that were not taken yet, with `notifyEvents`. */
  takeEvents(): Float64Array
  /** Re-arms the faulty driver; returns the driver calls made so far. */
  setFaults(faults: NativeFaults | undefined): number
  check(): void
  close(): void
}

/** The whole addon. */
export interface PagedAttentionAddon {
  readonly Cache: new (options: NativePagedOptions, results: Float64Array) => NativePagedCache
  geometry(options: NativePagedOptions): NativePagedGeometry
  fenceDone(fence: NativeFence): boolean
}

let loaded: PagedAttentionAddon | undefined

/**
 * The addon, loaded by the first call: importing this package does nothing.
 * @throws `ERR_VATTENTION_NATIVE_LOAD` with every place that was tried.
 */
export function addon(): PagedAttentionAddon {
  loaded ??= loadAddon<PagedAttentionAddon>({
    name: '@vattention/paged-attention',
    from: import.meta.url,
    createError: errors.nativeLoad,
  })
  return loaded
}
