import type { PoolLayout } from './kv-cache.ts'
import type { Tensor } from './tensor.ts'

/** What kernels see: for each layer one strided tensor of keys and one of values. */
export type CacheView = ContiguousView | PagedView

/** Keys and values of one layer. */
export interface LayerView {
  readonly key: Tensor
  readonly value: Tensor
}

/** The view of a contiguous cache, whatever its layout: strides say it. */
export interface ContiguousView {
  readonly kind: 'contiguous'
  /** `[slot, token, kvHead, dim]` */
  readonly layers: readonly LayerView[]
  /** Rows past each sequence's backed length that are readable and finite. */
  readonly tailRows: number
  /** Writes the slot index of each sequence into `out`. */
  slots(sequences: Uint32Array, out: Int32Array): void
}

/** The view of a paged cache. */
export interface PagedView {
  readonly kind: 'paged'
  readonly layout: PoolLayout
  readonly blockTokens: number
  /** Blocks in the pool. */
  readonly blocks: number
  /** Rows past the end inside the last block are zero or the sequence's own. */
  readonly finiteTail: boolean
  /** nhd: `[block, token, kvHead, dim]`; paged-attention: see {@link PoolLayout} */
  readonly layers: readonly LayerView[]
  /**
   * Writes the block table of each sequence, row by row, and returns the widest row. Entries of
   * blocks that a slid window has given up are -1, as is the rest of each row.
   */
  blockTables(sequences: Uint32Array, out: Int32Array, rowStride: number): number
}
