/** What is tested: a backend with caches to read, or a cache. */
import type {
  AttentionBackend,
  ContiguousCacheOptions,
  KvCache,
  PagedCacheOptions,
  Stream,
} from '@vattention/interface'

import type { Memory } from './memory.ts'
import type { StreamCapture } from './stream-capture.ts'

/** Makes a contiguous cache; the kit disposes it. */
export type MakeContiguousCache = (options: ContiguousCacheOptions) => KvCache
/** Makes a paged cache; the kit disposes it. */
export type MakePagedCache = (options: PagedCacheOptions) => KvCache

/** A backend, and the caches that it is tested over. */
export interface BackendSubject {
  readonly backend: AttentionBackend
  /** Makes another instance, for the cases that dispose it. Defaults to none: they are skipped. */
  readonly create?: () => AttentionBackend
  /** A kind that is absent is not tested, visibly. */
  readonly caches: {
    readonly contiguous?: MakeContiguousCache
    readonly paged?: MakePagedCache
  }
  /** Memory that the backend can address. Defaults to `@vattention/core`'s of its device. */
  readonly memory?: Memory
  /** Captures streams, for the cases of graphs. Defaults to `@vattention/core`'s on a GPU. */
  readonly graphs?: StreamCapture
  /**
   * Makes streams for the cases of streams. Defaults to `@vattention/core`'s of the device, with the
   * default memory.
   */
  readonly stream?: () => TestStream
  /**
   * All layouts and cache kinds go through one kernel, so their results must be equal bit for bit.
   * Defaults to `false`: equal to rounding.
   */
  readonly sameKernel?: boolean
  /**
   * Its kernels add probabilities up after rounding them to the query's dtype, as FlashInfer's do on
   * tensor cores: a log-sum-exp may be off by as much as such a rounding. Defaults to `false`.
   */
  readonly sumsRounded?: boolean
  /**
   * Over a float8 cache its kernels multiply in float8, as FlashAttention-3's do: they round queries
   * and the weights of values to it. Defaults to `false`: only what the cache stores is rounded.
   */
  readonly multipliesInFloat8?: boolean
}

/**
 * A stream with work that ends when the test says so, such as `@vattention/core`'s `HostTimeline` and
 * `CudaTestStream`.
 */
export interface TestStream extends Stream, Disposable {
  /** Starts a piece of work and returns its number. */
  submit(): number
  /** Ends all work up to that number, or all. */
  complete(work?: number): void
}

/** What cache cases need to know besides the contract. */
export interface CacheTraits {
  /** Memory that reads and writes the cache's. Defaults to `@vattention/core`'s host memory. */
  readonly memory?: Memory
  /** Shares published prefixes. Defaults to `true`. */
  readonly prefixIndex?: boolean
  /**
   * Forks share memory, and sliding gives it back. Defaults to `true`; `false` for a cache that
   * copies and keeps.
   */
  readonly sharesMemory?: boolean
  /** Makes streams for the cases of fences. Defaults to `HostTimeline` with the default memory. */
  readonly stream?: () => TestStream
}

/** A cache, by how to make one. Cases make many, with small limits, and dispose them. */
export type CacheSubject = CacheTraits &
  (
    | { readonly kind: 'contiguous'; readonly create: MakeContiguousCache }
    | { readonly kind: 'paged'; readonly create: MakePagedCache }
  )
