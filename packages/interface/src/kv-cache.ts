import type { DType } from './dtype.ts'
import type { Device, Fence, Stream } from './device.ts'
import type { CacheEvent } from './cache-event.ts'
import type { CacheStats } from './cache-stats.ts'
import type { CacheView } from './cache-view.ts'
import type { Sequence } from './sequence.ts'

/** What a cache holds, whatever its kind. */
export interface KvCacheShape {
  readonly layers: number
  readonly kvHeads: number
  /** Elements of a key per head. */
  readonly headDim: number
  /** Elements of a value per head; equals `headDim` except in MLA-like models. */
  readonly valueHeadDim: number
  readonly dtype: DType
  /** Slots for sequences: address space or table rows, not memory. */
  readonly maxSequences: number
  /** Tokens a sequence may reach. */
  readonly maxLength: number
}

/** Options of the contiguous cache (`@vattention/core`). */
export interface ContiguousCacheOptions extends Omit<KvCacheShape, 'valueHeadDim'> {
  /** Defaults to `headDim`. */
  readonly valueHeadDim?: number
  /** Defaults to the CPU. */
  readonly device?: Device
  /** Physical memory it may hold, in bytes. Also bounded by the cgroup, the device and the mapping budget. */
  readonly limitBytes: number
  /** Defaults to `'interleaved'` on CUDA and `'split'` on the CPU (both measured). */
  readonly layout?: Layout
  /**
   * Size classes in bytes, ascending multiples of the driver's granularity.
   * Defaults to 2/8/32/128 MiB on CUDA and 64 KiB/2 MiB on the CPU.
   */
  readonly pageBytes?: readonly number[]
  /**
   * Largest class a shareable prefix may use, in bytes: the granule of sharing. Defaults to 2 MiB, or
   * the smallest class where that is larger.
   */
  readonly sharePageBytes?: number
  /** Tokens per block of the prefix index: what it matches, keeps and evicts. Defaults to `16`. */
  readonly prefixBlockTokens?: number
  /** Rows past each backed length that kernels may touch; backed and finite. Defaults to `0`. */
  readonly tailRows?: number
  /** Rows before a slid window that stay mapped. Defaults to `256`. */
  readonly leadRows?: number
  /**
   * What is zeroed before a sequence sees it. Defaults to `'recycled'`: new pages and another
   * sequence's old rows. `'new'`: pages only.
   */
  readonly zero?: 'recycled' | 'new'
  /** Mapping ahead of time by a background thread; `false` turns it off. */
  readonly mapAhead?: MapAheadOptions | false
  /** Live mappings it may hold. Defaults to 75 % of what the system has left for the process. */
  readonly mappingBudget?: number
  /** Events kept for `trace()`. Defaults to `0`: none. */
  readonly traceEvents?: number
  /** Called with each event, structured, on the JavaScript thread. Nothing is ever printed. */
  readonly onEvent?: (event: CacheEvent) => void
}

/** Where K and V of the layers lie in a contiguous cache. */
export type Layout = 'interleaved' | 'split' | { readonly layerGroup: number }

/** How far the mapper thread works ahead. */
export interface MapAheadOptions {
  /** Tokens mapped beyond each live sequence's length. Defaults to `256`. */
  readonly tokens?: number
  /** Idle slots kept mapped for the next prompts. Defaults to `1`. */
  readonly idleSlots?: number
  /** Free pages kept ready, in bytes. Defaults to 32 smallest pages per tensor, at most 1/8 of the limit. */
  readonly lowWaterBytes?: number
}

/** Options of the paged cache (`@vattention/paged-attention`). */
export interface PagedCacheOptions extends Omit<KvCacheShape, 'valueHeadDim'> {
  /** Defaults to `headDim`. */
  readonly valueHeadDim?: number
  /** Defaults to the CPU. */
  readonly device?: Device
  /** Size of the block pool, in bytes, reserved at once. */
  readonly limitBytes: number
  /** Tokens per block: 1, 8, 16, 32, 64, 128 or 256. Defaults to `16`. */
  readonly blockTokens?: number
  /** Defaults to `'nhd'`, which FlashAttention, FlashInfer and the CPU read. */
  readonly poolLayout?: PoolLayout
  /** Whether full blocks are kept by hash for later prompts. Defaults to `true`. */
  readonly prefixCache?: boolean
  /** Events kept for `trace()`. Defaults to `0`: none. */
  readonly traceEvents?: number
  /** Called with each event, structured, on the JavaScript thread. */
  readonly onEvent?: (event: CacheEvent) => void
}

/** `nhd`: `[block, token, kvHead, dim]`. `paged-attention`: the published layout, K `[block, kvHead, dim/x, token, x]`, V `[block, kvHead, dim, token]`. */
export type PoolLayout = 'nhd' | 'paged-attention'

/** What a new sequence starts with. */
export interface AllocateOptions {
  /** The prompt's tokens: what the prefix index knows of them is shared, at most `length - 1` tokens. */
  readonly prefix?: Uint32Array
  /** Keeps tenants or models apart in the prefix index. Defaults to `''`. */
  readonly salt?: string
}

/** A slot for a sequence. */
export interface Allocation {
  readonly sequence: Sequence
  /** Tokens of the prefix that the next `step` will make visible without computing them. */
  readonly sharedLength: number
}

/** What `step` did, or what it lacks. */
export type StepResult =
  | {
      readonly status: 'ok'
      /** Bytes mapped by this step itself; 0 when all was there. */
      readonly mappedBytes: number
      /** Driver calls made by this step itself. */
      readonly driverCalls: number
    }
  | {
      /** Nothing changed. */
      readonly status: 'outOfMemory'
      /** Which limit was met: `limitBytes` (or the cgroup), the mapping budget, or the device. */
      readonly limit: 'bytes' | 'mappings' | 'device'
      /** What is missing after all that could be used. */
      readonly neededBytes: number
      /** Waits for fences and will be free without any preemption: wait rather than preempt. */
      readonly pendingBytes: number
      /** Parked and retained bytes that could be given up. */
      readonly evictableBytes: number
    }

/** A KV cache: the contiguous and the paged one implement the same. */
export interface KvCache extends Disposable {
  readonly kind: 'contiguous' | 'paged'
  readonly device: Device
  readonly shape: KvCacheShape
  /** A type-tagged external with the C table and object; absent for a cache written in JavaScript. */
  readonly native?: object

  /**
   * Reserves a slot; moves no memory. With `prefix` (and `salt`), reserves what the prefix index can
   * share; the next `step` aliases, copies and backs it. `undefined`: no slot is left.
   */
  allocate(options?: AllocateOptions): Allocation | undefined
  /**
   * Reserves a sequence that will show the first `length` tokens of `source`.
   * `undefined`: no slot is left.
   */
  fork(source: Sequence, length: number): Sequence | undefined

  /**
   * Backs `lengths[i]` tokens of `sequences[i]`, all or nothing: aliases shared pages, copies
   * boundary and copy-on-write pages, zeroes, maps the rest. Lengths never shrink here; no sequence
   * twice. The only call on a serving loop's critical path.
   * @throws `ERR_VATTENTION_DEVICE` for a driver failure other than memory; nothing changed.
   */
  step(sequences: Uint32Array, lengths: Uint32Array): StepResult
  /** `step` off the JavaScript thread. The arrays are copied. */
  stepAsync(sequences: Uint32Array, lengths: Uint32Array): Promise<StepResult>

  /**
   * Tells the prefix index that `tokens` (the sequence's from 0 on) are in the cache now, written.
   * Call it as pages fill, not only at the end.
   */
  publish(sequence: Sequence, tokens: Uint32Array, salt?: string): void
  /** Forgets the tokens from `length` on. A shared page that would be written next is made private by the next `step`. */
  truncate(sequence: Sequence, length: number, after?: Fence): void
  /** Tokens before `firstToken` will not be read again: pages wholly before it less `leadRows` may go. */
  slide(sequence: Sequence, firstToken: number, after?: Fence): void
  /** Ends the sequence. Its pages stay mapped for reuse, and published ones with the index. */
  free(sequence: Sequence, after?: Fence): void

  /** A point in `stream`'s order, for `after`. */
  recordFence(stream: Stream): Fence
  /** Makes `stream` wait for the cache's own zeroing and copies. On the CPU they are done already. */
  waitReady(stream: Stream): void

  /** Tokens that `step` has backed. */
  backedLength(sequence: Sequence): number
  /** What kernels see. The same object for the cache's whole life. */
  view(): CacheView
  stats(): CacheStats
  /** Changes the limit at run time, in bytes: lowering it gives free and parked memory back. */
  setLimit(bytes: number): void
}
