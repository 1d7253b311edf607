/**
 * The native addon of this package, described once: C++ is reached only through these types.
 * Everything that arrives there has been validated by the TypeScript above it.
 */
import { errors } from '@vattention/interface'

import type { NativeFaults } from '../../../native/node/fault-plan.ts'
import { loadAddon } from '../../../native/node/load-addon.ts'

/** Options of a native cache, defaults filled in, enumerations as the numbers of the C ABI. */
export interface NativeCacheOptions {
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
  /** `vattn_layout` */
  readonly layout: number
  /** Layers per group; 0 for the other layouts. */
  readonly layerGroup: number
  /** Empty: the driver's default classes. */
  readonly pageBytes: Float64Array
  /** 0: the default. */
  readonly sharePageBytes: number
  readonly tailRows: number
  readonly leadRows: number
  /** `vattn_zero` */
  readonly zero: number
  readonly mapAhead: boolean
  /** 0: the default, here and for the next three. */
  readonly aheadTokens: number
  /** -1: none. */
  readonly idleSlots: number
  readonly lowWaterBytes: number
  readonly mappingBudget: number
  readonly traceEvents: number
  /** Empty: the system's. */
  readonly cgroupRoot: string
  /** Absent: no faulty driver. */
  readonly faults?: NativeFaults
}

/** `vattn_geometry` */
export interface NativeGeometry {
  readonly tensors: number
  readonly bytesPerToken: number
  readonly smallestPageBytes: number
  readonly slotBytes: number
  readonly reservedBytes: number
  readonly wasteBoundBytes: number
  /** Bytes of one token in the first and in the last tensor of the layout. */
  readonly rowBytes: readonly [number, number]
}

/** A strided tensor as the addon describes it. */
export interface NativeTensor {
  readonly data: bigint
  readonly shape: number[]
  readonly strides: number[]
}

/** What `view` gives. */
export interface NativeView {
  readonly tailRows: number
  readonly layers: { readonly key: NativeTensor; readonly value: NativeTensor }[]
}

/** A `vattn_fence`. */
export interface NativeFence {
  done(): boolean
  /** Resolves once `done()` is true; watched by a native thread. */
  wait(): Promise<void>
  release(): void
}

/**
 * A `vattn_cache`. Handles and lengths are numbers, spans too. Calls throw plain errors with a
 * status (native/node/native-error.ts).
 */
export interface NativeCache {
  /** The tagged external for other addons. */
  ref(): object
  /** 0: no slot is left. Likewise the next two. */
  allocate(): number
  allocateShared(spans: Uint32Array, length: number): number
  fork(source: number, length: number): number
  /** `vattn_step_outcome`; the rest is written into the numbers given to the constructor. */
  step(sequences: Uint32Array, lengths: Uint32Array): number
  /** The same off the JavaScript thread, with numbers of its own; the arrays are copied. */
  stepAsync(sequences: Uint32Array, lengths: Uint32Array): Promise<Float64Array>
  truncate(sequence: number, length: number, after: NativeFence | undefined): void
  slide(sequence: number, firstToken: number, after: NativeFence | undefined): void
  free(sequence: number, after: NativeFence | undefined): void
  /** Fills `out` with spans of `block` tokens each, the first one from token `from` on; all or none. */
  createSpans(sequence: number, from: number, block: number, out: Uint32Array): void
  /** Returns the bytes that no longer are retained. */
  releaseSpan(span: number): number
  attach(deviceType: number, deviceIndex: number, handle: bigint): void
  detach(deviceType: number, deviceIndex: number, handle: bigint): void
  waitReady(deviceType: number, deviceIndex: number, handle: bigint): void
  recordFence(deviceType: number, deviceIndex: number, handle: bigint): NativeFence
  view(): NativeView
  slots(sequences: Uint32Array, out: Int32Array): void
  backedLength(sequence: number): number
  firstKept(sequence: number): number
  /** `vattn_cache_stats` in its order, without `size`: see native/node/cache-stats.ts. */
  stats(out: Float64Array): void
  setLimit(bytes: number): void
  trim(keepBytes: number): number
  trimAsync(keepBytes: number): Promise<number>
  pauseMapper(): void
  resumeMapper(): void
  drainMapper(): void
  drainMapperAsync(): Promise<void>
  /** Events, see native/node/cache-events.ts. */
  trace(): Float64Array
  /** Re-arms the faulty driver; returns the driver calls made so far. */
  setFaults(faults: NativeFaults | undefined): number
  check(): void
  /** Calls promised and not settled. */
  pending(): number
  close(): void
}

/** Memory of a tensor: aligned and of the host, pinned, or of a GPU. */
export interface NativeMemory {
  readonly address: bigint
  /** Idempotent. */
  release(): void
}

/** A `vattn_timeline`. */
export interface NativeTimeline {
  readonly address: bigint
  readonly submitted: number
  readonly completed: number
  /** Counts one more piece of work and returns its number. */
  submit(): number
  /** Marks all work up to number `work` as completed. */
  complete(work: number): void
}

/** A GPU, without the words of the interface. */
export interface NativeDevice {
  readonly index: number
  readonly name: string
  readonly uuid: string
  readonly computeCapability: string
  readonly totalBytes: number
  readonly freeBytes: number
  /** Empty: it can be used. */
  readonly unusable: string
}

/** What `devices` gives; empty texts stand for nothing. */
export interface NativeDevices {
  readonly devices: NativeDevice[]
  readonly driverVersion: string
  readonly reason: string
}

/** Samples of driver calls, in nanoseconds, by the names of `driverCalls` in driver-calls.ts. */
export type NativeDriverCalls = Readonly<Record<string, Float64Array>>

/** How many mappings lived together. */
export interface NativeMappingCeiling {
  readonly mappings: number
  readonly end: 'driver' | 'cap' | 'time'
  /** Empty unless the driver refused. */
  readonly driverCall: string
  readonly driverCode: number
}

/** A CUDA stream. */
export interface NativeStream {
  readonly handle: bigint
  /** Idempotent. What it was given still runs; the stream goes when no cache has it attached. */
  release(): void
}

/** Work on a stream that ends when its owner says so. */
export interface NativeStreamGate {
  /** Gives one more piece of work to the stream and returns its number. */
  submit(): number
  /** Ends all work up to number `work`; returns when the stream is at the next, or at its end. */
  complete(work: number): void
  /** Ends all work. Idempotent. */
  release(): void
}

/** A point in a stream's order whose time the GPU notes. */
export interface NativeTimePoint {
  /** Throws busy while one of the two has not passed. */
  millisecondsSince(earlier: NativeTimePoint): number
  /** Idempotent. */
  release(): void
}

/** A CUDA graph, ready to be launched. */
export interface NativeGraph {
  launch(deviceType: number, deviceIndex: number, handle: bigint): void
  /** Idempotent. */
  release(): void
}

/** A `vattn_page_manifest` as numbers; the counts are those of the arrays. */
export interface NativeManifest {
  /**
   * Version, device type, device index, dtype, layout, layers of a group, writable (0 or 1), bytes
   * of a sequence's range.
   */
  readonly head: Float64Array
  /** 16 bytes; zeros on the CPU. */
  readonly uuid: Uint8Array
  readonly lengths: Uint32Array
  /** For each page: sequence, file, offset, bytes, offset in the file. */
  readonly pages: Float64Array
  /** For each layer, keys then values: offset, shape (4), strides (4). */
  readonly tensors: Float64Array
}

/** A `vattn_page_export`. */
export interface NativePageExport {
  manifest(): NativeManifest
  /** Descriptors, closed by `release`. */
  files(): Int32Array
  ready(): NativeFence
  /** Idempotent. */
  release(): void
}

/** A `vattn_page_import`. */
export interface NativePageImport {
  /** For each layer, of keys then values: the address of the first element. */
  addresses(): BigUint64Array
  /** The device's number in this process; 0 on the CPU. */
  deviceIndex(): number
  /** Idempotent. */
  release(): void
}

/** The whole addon. */
export interface CoreAddon {
  readonly Cache: new (
    options: NativeCacheOptions,
    /** Where `step` writes: see native/node/step-result.ts. */
    results: Float64Array,
    /** Given batches of events, or undefined when nobody listens. */
    onEvents: ((events: Float64Array) => void) | undefined,
  ) => NativeCache
  readonly Memory: new (bytes: number, alignment: number) => NativeMemory
  readonly PinnedMemory: new (bytes: number, deviceIndex: number) => NativeMemory
  readonly DeviceMemory: new (bytes: number, deviceIndex: number) => NativeMemory
  /** Of the cache with this external. Without `lengths`: all that is backed. */
  readonly PageExport: new (
    cache: object,
    sequences: Uint32Array,
    lengths: Uint32Array | undefined,
    writable: boolean,
  ) => NativePageExport
  /** The files may be closed afterwards. */
  readonly PageImport: new (
    manifest: NativeManifest,
    files: Int32Array,
    writable: boolean,
  ) => NativePageImport
  readonly Timeline: new () => NativeTimeline
  /** `urgent`: of the device's highest priority. */
  readonly Stream: new (deviceIndex: number, urgent: boolean) => NativeStream
  readonly StreamGate: new (stream: NativeStream) => NativeStreamGate
  readonly TimePoint: new (
    deviceType: number,
    deviceIndex: number,
    handle: bigint,
  ) => NativeTimePoint
  /** Of a cache's retained bytes, those that exports of it alone hold. */
  exportedBytes(cache: object): number
  devices(): NativeDevices
  deviceMemory(deviceIndex: number): { readonly totalBytes: number; readonly freeBytes: number }
  /** Nanoseconds of each round, by call; without those that the device has not. Off this thread. */
  measureDriverCalls(
    deviceType: number,
    deviceIndex: number,
    pageBytes: number,
    handles: number,
    rounds: number,
  ): Promise<NativeDriverCalls>
  /** Maps until the driver refuses, at most `cap` times or for so many seconds. Off this thread. */
  measureMappingCeiling(
    deviceType: number,
    deviceIndex: number,
    pageBytes: number,
    cap: number,
    seconds: number,
  ): Promise<NativeMappingCeiling>
  recordFence(deviceType: number, deviceIndex: number, handle: bigint): NativeFence
  makeStreamWait(deviceType: number, deviceIndex: number, handle: bigint, fence: NativeFence): void
  beginCapture(deviceType: number, deviceIndex: number, handle: bigint): void
  /** Ends it in any case. The graph when it is wanted; it throws when there can be none. */
  endCapture(
    deviceType: number,
    deviceIndex: number,
    handle: bigint,
    wanted: boolean,
  ): NativeGraph | undefined
  /**
   * Copies record 0 of `records` to record 1; one of them is on a GPU. Without a stream it is done
   * when it returns.
   */
  copyTensor(
    records: Float64Array,
    elementBytes: number,
    deviceType?: number,
    deviceIndex?: number,
    handle?: bigint,
  ): void
  geometry(options: NativeCacheOptions): NativeGeometry
  /**
   * Copies between strided memory, described by record 0 of `record` (native/node/tensor_record.h),
   * and a dense array. 16-bit and 8-bit floats are converted when `values` is a Float32Array.
   * Memory that is not `direct` is reached through the kernel, which refuses unmapped addresses
   * instead of letting the process die.
   */
  readTensor(record: Float64Array, values: ArrayBufferView, direct: boolean): void
  writeTensor(record: Float64Array, values: ArrayBufferView, direct: boolean): void
}

let loaded: CoreAddon | undefined

/**
 * The addon, loaded by the first call: importing this package does nothing.
 * @throws `ERR_VATTENTION_NATIVE_LOAD` with every place that was tried.
 */
export function addon(): CoreAddon {
  loaded ??= loadAddon<CoreAddon>({
    name: '@vattention/core',
    from: import.meta.url,
    createError: errors.nativeLoad,
  })
  return loaded
}
