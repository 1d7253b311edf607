import type { PagedCacheOptions, PoolLayout } from '@vattention/interface'

import { callNative } from '../../../native/node/native-error.ts'
import { addon } from './addon.ts'
import { resolveOptions } from './paged-options.ts'

/** How a paged cache cuts its memory, and what that costs. */
export interface PagedGeometry {
  readonly poolLayout: PoolLayout
  readonly blockTokens: number
  /** Blocks in the pool. */
  readonly blocks: number
  /** Widest row of a block table: blocks of a sequence of `maxLength` tokens. */
  readonly maxBlocks: number
  /** Of all layers, K and V. */
  readonly bytesPerToken: number
  /** Of all layers, K and V. */
  readonly blockBytes: number
  /** `blocks * blockBytes` */
  readonly poolBytes: number
  /** The pool with its tensors aligned, in whole pages of the driver: taken when the cache is made. */
  readonly reservedBytes: number
  /** A live sequence wastes less than this: one block. */
  readonly wasteBoundBytes: number
}

/** The geometry that a cache with these options has. */
export function geometryOf(options: PagedCacheOptions): PagedGeometry {
  const { native, poolLayout } = resolveOptions(options)
  return { poolLayout, ...callNative(() => addon().geometry(native)) }
}
